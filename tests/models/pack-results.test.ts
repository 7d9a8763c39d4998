import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json } from '../../src/db/json.ts'
import { wordsFor } from '../../src/locales/index.ts'
import { parsePack, readPacks } from '../../src/models/packs/pack.ts'
import { fillRest, type Graph } from '../../src/providers/comfyui/graph.ts'
import { historyEntryShape, picturesIn } from '../../src/providers/comfyui/history.ts'
import { failure } from '../contracts/provider.ts'
import { plainRequest } from '../helpers/packs.ts'
import { comfyuiFixture, finish, sentGraph } from '../helpers/providers/comfyui.ts'

const { open, createProvider } = comfyuiFixture()

const link = (node: string, slot = 0): Json => [node, slot]

const graph: Graph = {
  '3': {
    class_type: 'KSampler',
    inputs: {
      ...{ seed: 1, steps: 20, cfg: 7, sampler_name: 'euler', scheduler: 'normal', denoise: 1, model: link('4') },
      ...{ positive: link('6'), negative: link('6'), latent_image: link('5') },
    },
  },
  '4': { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'flux1-dev-fp8.safetensors' } },
  '5': { class_type: 'EmptyLatentImage', inputs: { width: 64, height: 64, batch_size: 1 } },
  '6': { class_type: 'CLIPTextEncode', inputs: { text: 'x', clip: link('4', 1) } },
  '8': { class_type: 'VAEDecode', inputs: { samples: link('3'), vae: link('4', 2) } },
  '9': { class_type: 'SaveImage', inputs: { images: link('8'), filename_prefix: 'first' } },
}
const twoSavers: Graph = {
  ...graph,
  '15': { class_type: 'ImageScaleBy', inputs: { image: link('8'), upscale_method: 'lanczos', scale_by: 2 } },
  '60': { class_type: 'SaveImage', inputs: { images: link('15'), filename_prefix: 'final' } },
}
const seedNode: Graph = {
  ...graph,
  '3': { ...graph['3']!, inputs: { ...graph['3']!.inputs, seed: link('7') } },
  '7': { class_type: 'Seed (rgthree)', inputs: { seed: -1 } },
}
const savedBy = (classType: string, inputs: Record<string, Json> = { images: link('8') }): Graph => ({
  ...graph,
  '9': { class_type: classType, inputs },
})

const nodes = { prompt: '6.text', seed: '3.seed' }
const pack = (changed: Graph, manifest: object = {}) =>
  JSON.stringify({ manifest: { id: 'pack', title: 'Pack', nodes, ...manifest }, graph: changed })

const taskFor = (text: string, params: object = {}) => {
  const model = parsePack(text)
  const [route] = model.routes
  const input = route!.input(plainRequest(model, params), [])
  return { id: crypto.randomUUID(), endpoint: route!.endpoint, input, images: [] }
}

describe('the seed of a workflow pack', () => {
  it.each<[string, object, object, number]>([
    ['the range of its manifest', { seed: '3.seed' }, { seed: { min: 5, max: 9 } }, 9],
    ['the range of the node on the server', { seed: '7.seed' }, {}, 2 ** 50],
    ['both', { seed: ['3.seed', '7.seed'] }, { seed: { min: -10, max: 2 ** 60 } }, 2 ** 50],
  ])('stays within %s', async (_what, seeds, params, max) => {
    const emulator = await open()
    const provider = createProvider([emulator])
    for (let n = 0; n < 5; n++) {
      await finish(provider, taskFor(pack(seedNode, { nodes: { prompt: '6.text', ...seeds }, params })))
    }
    const sent = emulator.requests.filter(({ method, path }) => method === 'POST' && path === '/prompt')
    expect(sent).toHaveLength(5)
    for (const { status } of sent) expect(status).toBe(200)
    const [name] = [Object.values(seeds)[0]].flat() as string[]
    expect(sentGraph(emulator)[name!.split('.')[0]!]?.inputs.seed).toBeLessThanOrEqual(max)
  })

  it('is one number in all inputs, within their range', () => {
    const limit = fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 })
    const seed = fc.tuple(limit, limit).map(([a, b]) => ({ $seed: true, min: Math.min(a, b), max: Math.max(a, b) }))
    fc.assert(
      fc.property(seed, (placeholder) => {
        const filled = fillRest(
          {
            '1': { class_type: 'A', inputs: { seed: placeholder } },
            '2': { class_type: 'B', inputs: { seed: placeholder } },
          },
          [],
        ) as unknown as Graph
        const value = Number(filled['1']?.inputs.seed)
        expect(filled['2']?.inputs.seed).toBe(value)
        expect(Number.isSafeInteger(value)).toBe(true)
        if (placeholder.max < 0) return
        expect(value).toBeGreaterThanOrEqual(Math.max(0, placeholder.min))
        expect(value).toBeLessThanOrEqual(placeholder.max)
      }),
    )
  })

  it('has the limit of a well-known node before a server is asked', () => {
    const { params } = parsePack(pack(seedNode, { nodes: { prompt: '6.text', seed: '7.seed' } })).routes[0]!.takes
    expect(params.seed).toEqual({ min: 0, max: 2 ** 50, integer: true })
  })
})

describe('the result of a workflow pack', () => {
  it.each<[string, object, number[]]>([
    ['all saved pictures', {}, [64, 128]],
    ['the pictures of the node that the manifest names', { output: '60' }, [128]],
    ['the pictures of the nodes that the manifest lists', { output: ['9', '60'] }, [64, 128]],
  ])('is %s', async (_what, output, widths) => {
    const emulator = await open()
    const { images } = await finish(
      createProvider([emulator]),
      taskFor(pack(twoSavers, { nodes: { ...nodes, ...output } })),
    )
    expect(images.map((bytes) => bytes.readUInt32BE(16)).sort((a, b) => a - b)).toEqual(widths)
    expect(JSON.stringify(sentGraph(emulator))).not.toContain('$')
  })

  it('has as many pictures for each one that is asked for as there are savers', () => {
    const counted = { nodes: { ...nodes, count: '5.batch_size' } }
    const model = parsePack(pack(twoSavers, counted))
    expect(model.routes[0]!.takes).toMatchObject({ count: 4, picturesEach: 2 })
    const filled = model.routes[0]!.input(plainRequest(model, { count: 6 }), []) as unknown as Graph
    expect(filled['5']?.inputs.batch_size).toBe(3)
    expect(parsePack(pack(graph)).routes[0]!.takes.picturesEach).toBeUndefined()
  })

  it.each([['SaveImage'], ['Image Save'], ['SaveImageExtended'], ['PreviewImage'], ['easy imageSave']])(
    'can be saved by %s',
    (classType) => {
      expect(parsePack(pack(savedBy(classType))).id).toBe('pack')
    },
  )

  it('can be saved by a node with any name that the manifest names', () => {
    expect(parsePack(pack(savedBy('My Output'), { nodes: { ...nodes, output: '9' } })).id).toBe('pack')
  })

  const { '9': _, ...noSaver } = graph
  it.each<[string, Graph, object, string]>([
    ['no saver', noSaver, {}, 'graph: no node saves a picture; add a SaveImage node'],
    ['a saver of latents', savedBy('SaveLatent', { samples: link('3') }), {}, 'graph: no node saves a picture'],
    [
      'a websocket',
      savedBy('SaveImageWebsocket'),
      {},
      'node 9 (SaveImageWebsocket) sends its picture over the websocket only',
    ],
    ['a websocket of an extension', savedBy('ETN_SendImageWebSocket'), {}, 'use a SaveImage node instead'],
    [
      'a saver without a picture',
      savedBy('SaveImage', { filename_prefix: 'x' }),
      {},
      'node 9 (SaveImage) gets no picture',
    ],
    ['an animation', savedBy('SaveAnimatedWEBP'), {}, 'graph: no node saves a picture'],
    ['an unknown output', graph, { output: '99' }, 'nodes.output: the graph has no node 99'],
    ['an output in the middle', graph, { output: '8' }, 'nodes.output: node 8 (VAEDecode) saves no picture'],
    ['a websocket as output', savedBy('SaveImageWebsocket'), { output: '9' }, 'over the websocket only'],
  ])('is refused with the reason: %s', (_what, changed, output, reason) => {
    expect(() => parsePack(pack(changed, { nodes: { ...nodes, ...output } }))).toThrow(reason)
  })

  it('has at most 16 pictures', () => {
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`s${at}`, graph['9']!]))
    expect(() => parsePack(pack({ ...graph, ...many }))).toThrow('name at most 16 of them in nodes.output')
    const counted = { nodes: { ...nodes, count: '5.batch_size' }, count: 9 }
    expect(() => parsePack(pack(twoSavers, counted))).toThrow('2 nodes save pictures, so use at most 8')
  })
})

describe('an input picture of a workflow pack', () => {
  const loaded = (classType: string, inputs: Record<string, Json>): Graph => ({
    ...graph,
    '33': { class_type: classType, inputs },
  })
  it.each<[string, Record<string, Json>, string]>([
    ['LoadImage', { image: 'example.png' }, 'image'],
    ['LoadImage', { image: '' }, 'image'],
    ['LoadImageMask', { image: 'clipspace/mask (1).png [input]', channel: 'alpha' }, 'image'],
    ['Load Image with Name', { image: 'photo.webp' }, 'image'],
  ])('may be a file name of %s', (classType, inputs, input) => {
    const images = [`33.${input}`]
    expect(parsePack(pack(loaded(classType, inputs), { nodes: { ...nodes, images } })).id).toBe('pack')
  })

  it.each<[string, Record<string, Json>, string]>([
    ['ETN_LoadImageBase64', { image: 'iVBORw0KGgo=' }, 'image'],
    ['LoadImageFromBase64', { data: '' }, 'data'],
    ['LoadImageFromUrl', { url: 'https://example.com/cat.png' }, 'url'],
    ['LoadImageMask', { image: 'a.png', channel: 'alpha' }, 'channel'],
    ['Load Image Batch', { path: '/data/in' }, 'path'],
    ['LoadImageX', { image: 'C:\\data\\cat.png' }, 'image'],
  ])('is refused when it is no file name: %s', (classType, inputs, input) => {
    const images = [`33.${input}`]
    expect(() => parsePack(pack(loaded(classType, inputs), { nodes: { ...nodes, images } }))).toThrow(
      'is not the file name of a picture; name the input "image" of a LoadImage node',
    )
  })
})

describe('the file of a workflow pack', () => {
  const text = pack(graph)
  it.each<[string, string, Buffer]>([
    ['begin with a byte order mark', 'a.json', Buffer.from(`\uFEFF${text}`)],
    ['be UTF-16', 'a.json', Buffer.from(`\uFEFF${text}`, 'utf16le')],
    ['be UTF-16, the other way round', 'a.json', Buffer.from(`\uFEFF${text}`, 'utf16le').swap16()],
    ['end in capitals', 'PACK.JSON', Buffer.from(text)],
  ])('may %s', async (_what, name, bytes) => {
    const folder = await mkdtemp(join(tmpdir(), 'packs-'))
    try {
      await writeFile(join(folder, name), bytes)
      await writeFile(join(folder, '._a.json'), 'what macOS keeps beside a file')
      const { models, mistakes } = await readPacks(folder)
      expect(mistakes).toEqual([])
      expect(models.map(({ id }) => id)).toEqual(['pack'])
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('may begin with a byte order mark where it is stored in the database', () => {
    expect(parsePack(`\uFEFF${text}`).id).toBe('pack')
  })
})

describe('a failure that the same workflow would cause again', () => {
  const run = (images: object[], node = '9') => historyEntryShape.parse({ outputs: { [node]: { images } } })
  const error = (entry: object) =>
    historyEntryShape.parse({ status: { status_str: 'error', messages: [['execution_error', entry]] } })
  const sentences = (thrown: { kind: string; data: object }) =>
    ['en', 'zh'].map((locale) => wordsFor(locale).errors[thrown.kind as 'bad_result'](thrown.data as never))

  it.each<[string, () => unknown, string]>([
    ['nothing was saved', () => picturesIn(run([])), 'the workflow saved no picture'],
    [
      'the named node saved nothing',
      () => picturesIn(run([{ filename: 'a.png' }]), ['60']),
      'node 60 saved no picture',
    ],
    [
      'no picture was saved',
      () => picturesIn(run([{ filename: 'a.mp4' }])),
      'the workflow saved "a.mp4", which is not PNG',
    ],
    [
      'a node failed',
      () => picturesIn(error({ node_id: 7, node_type: 'K', exception_message: 'shape' })),
      'node 7 (K): shape',
    ],
    ['memory is short', () => picturesIn(error({ exception_type: 'torch.OutOfMemoryError' })), 'out of memory'],
  ])('says why and does not suggest another try: %s', async (_what, read, reason) => {
    const thrown = await failure(Promise.resolve().then(read))
    expect(thrown).toMatchObject({ final: true, retry: false })
    for (const sentence of sentences(thrown)) {
      expect(sentence).toContain(reason)
      expect(sentence).not.toMatch(/try again|重试/i)
    }
  })

  it('reads the pictures of nodes that the named node created', () => {
    expect(picturesIn(run([{ filename: 'a.png' }], '60.0.1'), ['60'])).toHaveLength(1)
  })

  it('still suggests another try after an interruption', () => {
    expect(wordsFor('en').errors.provider_failed({ reason: 'interrupted' })).toContain('Try again')
  })
})
