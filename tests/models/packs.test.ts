import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Model, PictureRequest } from '../../src/core/ports/models.ts'
import type { Json } from '../../src/db/json.ts'
import { parsePack, readPacks } from '../../src/models/packs/pack.ts'
import { PackError } from '../../src/models/packs/pack-error.ts'
import { createComfyui } from '../../src/providers/comfyui/comfyui.ts'
import { startComfyui } from '../emulators/comfyui/index.ts'
import { picture } from '../emulators/pictures.ts'
import { keepLog } from '../helpers/log.ts'
import { quickPace } from '../helpers/providers/comfyui.ts'

type Graph = Record<string, { class_type: string; inputs: Record<string, Json> }>

const graph: Graph = {
  '1': { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'flux1-dev-fp8.safetensors' } },
  '3': {
    class_type: 'KSampler',
    inputs: {
      ...{ model: ['1', 0], seed: 11, steps: 25, cfg: 6.5, sampler_name: 'euler', scheduler: 'simple', denoise: 1 },
      ...{ positive: ['6', 0], negative: ['7', 0], latent_image: ['5', 0] },
    },
  },
  '5': { class_type: 'EmptyLatentImage', inputs: { width: 640, height: 480, batch_size: 1 } },
  '6': { class_type: 'CLIPTextEncode', inputs: { text: 'the author’s words', clip: ['1', 1] } },
  '7': { class_type: 'CLIPTextEncode', inputs: { text: 'blurry', clip: ['1', 1] } },
  '8': { class_type: 'VAEDecode', inputs: { samples: ['3', 0], vae: ['1', 2] } },
  '9': { class_type: 'SaveImage', inputs: { images: ['8', 0], filename_prefix: 'pack' } },
}

const nodes = {
  prompt: '6.text',
  negative: '7.text',
  width: '5.width',
  height: '5.height',
  seed: '3.seed',
  steps: '3.steps',
  guidance: '3.cfg',
  strength: '3.denoise',
  count: '5.batch_size',
}

const pack = (manifest: object = {}, changed: Graph = graph) =>
  JSON.stringify({ manifest: { id: 'anime', title: 'Anime', nodes, ...manifest }, graph: changed })

const withNode = (id: string, inputs: Record<string, Json>, classType?: string): Graph => ({
  ...graph,
  [id]: { class_type: classType ?? graph[id]?.class_type ?? '', inputs: { ...graph[id]?.inputs, ...inputs } },
})

function inputOf(model: Model, params: Partial<PictureRequest> = {}): Graph {
  const [aspect = '', [width, height] = [0, 0]] = Object.entries(model.routes[0]!.takes.aspects)[0] ?? []
  const images = params.images ?? 0
  const request = { prompt: 'a cat', model: model.id, aspect, width, height, count: 1, images, ...params }
  const refs = Array.from({ length: images }, (_, at) => ({ $image: at }))
  const mask = params.mask && { $image: images }
  return model.routes[0]!.input(request, refs, mask) as unknown as Graph
}

function mistakesOf(text: string): readonly string[] {
  try {
    parsePack(text)
  } catch (error) {
    if (error instanceof PackError) return error.mistakes
    throw error
  }
  throw new Error('the pack has no mistakes')
}

describe('a workflow pack', () => {
  it('becomes a model', () => {
    const model = parsePack(pack({ aliases: ['toon'], price: 3 }))
    expect(model).toMatchObject({ id: 'anime', title: 'Anime', aliases: ['toon'], price: 3 })
    expect(model.routes).toHaveLength(1)
    const [route] = model.routes
    expect(route).toMatchObject({ provider: 'comfyui', endpoint: 'pack/anime' })
    expect(route?.takes).toMatchObject({ images: { min: 0, max: 0 }, count: 4, negative: true })
    expect(Object.keys(route?.takes.params ?? {})).toEqual(['seed', 'steps', 'guidance', 'strength'])
  })

  it('sets requested values in the inputs that the manifest names', () => {
    const params = { seed: '42', steps: 9, guidance: 2, strength: 0.5, negative: 'text', count: 3 }
    const filled = inputOf(parsePack(pack()), { ...params, width: 512, height: 768 })
    expect(filled['3']?.inputs).toMatchObject({ seed: 42, steps: 9, cfg: 2, denoise: 0.5 })
    expect(filled['5']?.inputs).toEqual({ width: 512, height: 768, batch_size: 3 })
    expect([filled['6']?.inputs.text, filled['7']?.inputs.text]).toEqual(['a cat', 'text'])
  })

  it('leaves other inputs as exported, except for the seed', () => {
    const filled = inputOf(parsePack(pack()))
    const words = withNode('6', { text: 'a cat' })
    expect(filled).toEqual({ ...words, '3': withNode('3', { seed: { $seed: true } })['3'] })
  })

  it('sets several inputs to one value', () => {
    const flux = withNode('6', { clip_l: 'x', t5xxl: 'x' }, 'CLIPTextEncodeFlux')
    const filled = inputOf(parsePack(pack({ nodes: { prompt: ['6.clip_l', '6.t5xxl'] } }, flux)))
    expect(filled['6']?.inputs).toMatchObject({ clip_l: 'a cat', t5xxl: 'a cat' })
  })

  it('offers the exported size first, then the common ratios', () => {
    const { aspects } = parsePack(pack()).routes[0]!.takes
    expect(Object.entries(aspects)[0]).toEqual(['4:3', [640, 480]])
    expect(Object.keys(aspects)).toEqual(expect.arrayContaining(['1:1', '16:9', '9:21']))
  })

  it('takes only parameters whose inputs are named', () => {
    const { takes } = parsePack(pack({ nodes: { prompt: '6.text' } })).routes[0]!
    expect(takes).toEqual({
      images: { min: 0, max: 0 },
      count: 1,
      aspects: { auto: [0, 0] },
      params: {},
    })
  })

  it('uses the ratios, sizes and limits of its manifest', () => {
    const own = { aspects: { '5:4': [640, 512] }, sizes: { min: 128, max: 1024 }, count: 2, promptLimit: 100 }
    const { takes } = parsePack(pack({ ...own, params: { steps: { min: 4, max: 8 } } })).routes[0]!
    expect(takes).toMatchObject({ ...own, params: { steps: { min: 4, max: 8, integer: true } } })
    expect(Object.keys(takes.aspects)).toEqual(['5:4'])
  })

  it('sets input pictures in its LoadImage nodes', () => {
    const both = {
      ...graph,
      '10': { class_type: 'LoadImage', inputs: { image: 'example.png' } },
      '11': { class_type: 'LoadImageOutput', inputs: { image: 'example.png' } },
    }
    const model = parsePack(pack({ nodes: { images: ['10.image', '11.image'] } }, both))
    expect(model.routes[0]!.takes).toMatchObject({ images: { min: 2, max: 2 }, prompt: 'none' })
    const filled = inputOf(model, { images: 2, prompt: '' })
    expect([filled['10']?.inputs.image, filled['11']?.inputs.image]).toEqual([{ $image: 0 }, { $image: 1 }])
  })

  it('runs on a server with the model files that the server has', async () => {
    const emulator = await startComfyui({ version: 'old' })
    const provider = createComfyui({ baseUrl: emulator.url }, { log: keepLog() }, quickPace)
    const start = {
      ...withNode('5', { pixels: ['10', 0], vae: ['1', 2] }, 'VAEEncode'),
      '1': {
        class_type: 'CheckpointLoaderSimple',
        inputs: { ckpt_name: { $file: ['x', 'flux1-dev-fp8.safetensors'] } },
      },
      '10': { class_type: 'LoadImage', inputs: { image: 'example.png' } },
    }
    try {
      const model = parsePack(pack({ nodes: { prompt: '6.text', seed: '3.seed', images: ['10.image'] } }, start))
      const input = inputOf(model, { images: 1 }) as unknown as Json
      const data = await picture(64, 48)
      const images = [{ data, type: 'image/jpeg' as const, width: 64, height: 48 }]
      const task = { id: '0192f0c0-0000-7000-8000-000000000001', endpoint: 'pack/anime', input, images }
      const signal = AbortSignal.timeout(20_000)
      let progress = await provider.start(task, signal)
      while (progress.state === 'pending') progress = await provider.check!(progress.ticket, task, signal)
      expect(progress.images).toHaveLength(1)
      const ran = emulator.work.history.get(task.id)?.prompt[2] as Graph | undefined
      expect(progress.seed).toBe(String(ran?.['3']?.inputs.seed))
      expect(ran?.['1']?.inputs.ckpt_name).toBe('flux1-dev-fp8.safetensors')
    } finally {
      await provider.close?.()
      await emulator.stop()
    }
  })

  it.each<[string, string, readonly string[]]>([
    ['text that is not JSON', '{', ['this is not valid JSON: ']],
    ['JSON that is not a pack', '[]', ['write a pack as { "provider": …, "routes": […] }, or for ComfyUI as']],
    ['an empty pack', '{}', ['"manifest" is missing', '"graph" is missing: paste the exported graph there']],
    [
      'a graph in the format of the page',
      JSON.stringify({ manifest: {}, graph: { nodes: [], links: [], version: 0.4 } }),
      ['export with Save (API Format)'],
    ],
    [
      'a graph in the format of the page, without a manifest',
      JSON.stringify({ nodes: [], links: [] }),
      ['export with Save (API Format)'],
    ],
    ['an empty graph', pack({}, {}), ['graph: it has no nodes']],
    [
      'an entry that is not a node',
      JSON.stringify({ manifest: { id: 'a', title: 'A', nodes }, graph: { '1': { type: 'KSampler' } } }),
      ['graph.1.class_type: a node needs its "class_type"', 'graph.1.inputs: a node needs its "inputs"'],
    ],
    ['an unknown key', pack({ prices: 3 }), ['manifest: Unrecognized key: "prices"']],
    ['a bad id', pack({ id: 'A B' }), ['manifest.id: use a–z']],
    ['half a credit', pack({ price: 0.5 }), ['manifest.price: use a whole number of credits']],
    ['a bad ratio', pack({ aspects: { wide: [640, 480] } }), ['manifest.aspects.wide: ']],
    ['no ratio', pack({ aspects: {} }), ['manifest.aspects: name at least one']],
    ['a malformed input name', pack({ nodes: { prompt: 'text' } }), ['manifest.nodes.prompt: write "<node>.<input>"']],
    ['an unknown parameter', pack({ nodes: { ...nodes, cfg: '3.cfg' } }), ['manifest.nodes: Unrecognized key: "cfg"']],
    [
      'a missing node',
      pack({ nodes: { prompt: '66.text' } }),
      ['nodes.prompt: the graph has no node 66; its nodes are 1, 3, 5, 6, 7, 8, 9'],
    ],
    [
      'a missing input',
      pack({ nodes: { prompt: '6.words' } }),
      ['nodes.prompt: node 6 (CLIPTextEncode) has no input "words"; its inputs are text, clip'],
    ],
    [
      'inputs of the wrong type',
      pack({ nodes: { prompt: '3.seed', steps: '6.text' } }),
      [
        'nodes.prompt: node 3 (KSampler): its input "seed" is not text',
        'nodes.steps: node 6 (CLIPTextEncode): its input "text" is not a number',
      ],
    ],
    [
      'a picture in a node that loads none',
      pack({ nodes: { images: ['6.text'] } }),
      ['nodes.images.0: node 6 (CLIPTextEncode): its input "text" is not the file name of a picture'],
    ],
    [
      'a width without a height',
      pack({ nodes: { prompt: '6.text', width: '5.width' } }),
      ['name both "width" and "height"'],
    ],
    ['neither a prompt nor pictures', pack({ nodes: { steps: '3.steps' } }), ['nodes: name "prompt" or "images"']],
    [
      'limits for inputs that are not named',
      pack({
        nodes: { prompt: '6.text' },
        params: { steps: { min: 1, max: 2 } },
        sizes: { min: 64, max: 128 },
        count: 2,
      }),
      [
        'params.steps: name the input in nodes.steps',
        'aspects, sizes: name the inputs in nodes.width',
        'count: name the input in nodes.count',
      ],
    ],
    [
      'a minimum above the maximum',
      pack({ params: { steps: { min: 9, max: 2 } } }),
      ['manifest.params.steps: min is greater than max'],
    ],
    [
      'a link to a missing node',
      pack({}, withNode('8', { samples: ['33', 0] })),
      ['graph: node 8 (VAEDecode): its input "samples" links to node 33, which does not exist'],
    ],
  ])('reports the mistake and its cure: %s', (_what, text, expected) => {
    const mistakes = mistakesOf(text)
    expect(mistakes).toHaveLength(expected.length)
    for (const [at, words] of expected.entries()) expect(mistakes[at]).toContain(words)
  })

  it('is refused above 2 MiB', () => {
    expect(mistakesOf(pack({}, withNode('6', { text: 'x'.repeat(3_000_000) })))).toEqual([
      'a pack can have at most 2 MiB',
    ])
  })
})

describe('a folder of workflow packs', () => {
  const folders: string[] = []
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
  })
  const folder = async (files: Record<string, string>) => {
    const path = await mkdtemp(join(tmpdir(), 'packs-'))
    folders.push(path)
    for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
    return path
  }

  it('loads its valid packs and reports the mistakes of the others', async () => {
    const path = await folder({
      'b.json': pack({ id: 'b' }),
      'a.json': pack({ id: 'a' }),
      'bad.json': pack({ id: 'B', price: -1 }),
      'notes.txt': 'hello',
    })
    const { models, mistakes } = await readPacks(path)
    expect(models.map(({ id }) => id)).toEqual(['a', 'b'])
    expect(mistakes).toHaveLength(2)
    expect(mistakes[0]).toContain('bad.json: manifest.id: use a–z')
    expect(mistakes[1]).toContain('bad.json: manifest.price: ')
  })

  it('may be missing', async () => {
    expect(await readPacks(join(tmpdir(), 'there-is-no-such-folder'))).toEqual({ models: [], mistakes: [] })
  })

  it('is documented with a valid example', async () => {
    const page = await readFile(new URL('../../docs/workflow-packs.md', import.meta.url), 'utf8')
    const example = JSON.parse(/```json\n(\{\n {2}"manifest"[\s\S]*?)```/.exec(page)?.[1] ?? '') as { manifest: object }
    expect(parsePack(JSON.stringify({ ...example, graph })).id).toBe('anime')
  })
})

describe('a workflow pack with a mask', () => {
  const masked = (channel: string, classType = 'LoadImageMask') => ({
    ...graph,
    '10': { class_type: 'LoadImage', inputs: { image: 'a.png' } },
    '11': { class_type: classType, inputs: { image: 'mask.png', channel } },
  })
  const own = { prompt: '6.text', images: ['10.image'], mask: '11.image' }

  it.each([
    ['red', undefined, undefined, 'white'],
    ['alpha', undefined, undefined, 'transparent'],
    ['alpha', 'LoadImage', undefined, 'transparent'],
    ['red', undefined, 'black', 'black'],
  ])('reads it as its node does: %s, %s, %s', (channel, classType, marks, expected) => {
    const model = parsePack(pack({ nodes: own, marks }, masked(channel, classType)))
    expect(model.routes[0]?.takes).toMatchObject({ mask: { marks: expected, required: true }, kept: { side: 2048 } })
    expect(inputOf(model, { images: 1, mask: true })['11']?.inputs.image).toEqual({ $image: 1 })
  })

  const sides = { left: '12.left', right: '12.right', top: '12.top', bottom: '12.bottom' }
  const padded = {
    ...masked('red'),
    '12': { class_type: 'ImagePadForOutpaint', inputs: { left: 0, right: 0, top: 0, bottom: 0, feathering: 9 } },
  }

  it('or with sides sets the pixels of each', () => {
    const model = parsePack(pack({ nodes: { prompt: '6.text', images: ['10.image'], ...sides } }, padded))
    const expand = { left: 1, right: 2, top: 3, bottom: 4 }
    expect(inputOf(model, { images: 1, expand })['12']?.inputs).toEqual({ ...expand, feathering: 9 })
  })

  it.each([
    [{ nodes: { prompt: '6.text', mask: '11.image' } }, 'name the picture that it is for'],
    [{ nodes: { ...own, mask: '11.channel' } }, 'is not the file name of a picture'],
    [{ nodes: { prompt: '6.text', images: ['10.image'] }, marks: 'white' }, 'name the input in nodes.mask'],
    [{ nodes: { ...own, left: '12.left' } }, 'name right, top, bottom as well'],
    [{ nodes: { ...own, ...sides, width: '5.width', height: '5.height' } }, 'keeps its own size'],
  ])('is refused with mistakes: %j', (manifest, mistake) => {
    expect(() => parsePack(pack(manifest, padded))).toThrow(mistake)
  })
})

describe('a pack with loaders of LoRAs', () => {
  const loader = (model: string): Graph[string] => ({
    class_type: 'LoraLoaderModelOnly',
    inputs: { model: [model, 0], lora_name: 'a.safetensors', strength_model: 0.7 },
  })
  const loaded = { ...graph, '20': loader('1'), '21': loader('20') }
  const slots = ['20', '21'].map((node) => ({ file: `${node}.lora_name`, scale: [`${node}.strength_model`] }))
  const own = {
    nodes: { ...nodes, loras: slots },
    loras: { pixel: 'pixel.safetensors', ink: 'styles/ink.safetensors' },
  }

  it('loads the files of the names, and switches the other loaders off', () => {
    const model = parsePack(pack(own, loaded))
    expect(model.routes[0]?.takes.loras).toEqual({
      max: 2,
      range: { min: 0, max: 4 },
      names: ['pixel', 'ink'],
      hosts: [],
    })
    const filled = inputOf(model, { loras: [{ path: 'ink' }] })
    expect([filled['20']?.inputs, filled['21']?.inputs]).toMatchObject([
      { lora_name: 'styles/ink.safetensors', strength_model: 1 },
      { lora_name: 'a.safetensors', strength_model: 0 },
    ])
    expect(inputOf(model)['20']?.inputs).toMatchObject({ lora_name: 'a.safetensors', strength_model: 0.7 })
  })

  it.each([
    [{ nodes, loras: own.loras }, 'name the inputs of a loader in nodes.loras'],
    [{ nodes: own.nodes }, 'name the files that requests may use in "loras"'],
    [{ ...own, nodes: { ...nodes, loras: [{ file: '20.model', scale: '20.lora_name' }] } }, 'is not a number'],
  ])('is refused with mistakes: %j', (manifest, mistake) => {
    expect(() => parsePack(pack(manifest, loaded))).toThrow(mistake)
  })
})
