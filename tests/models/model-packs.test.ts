import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { quoteOf } from '../../src/core/billing/quote.ts'
import type { Core } from '../../src/core/core.ts'
import type { Model, PictureRequest } from '../../src/core/ports/models.ts'
import { checkParams } from '../../src/core/request/check.ts'
import { findModel, takenWith } from '../../src/core/request/choose-model.ts'
import { readBuiltInPacks } from '../../src/models/packs/built-in.ts'
import { keepCatalogue, packFolders } from '../../src/models/packs/catalogue.ts'
import { modelPackShape } from '../../src/models/packs/model-shape.ts'
import { parsePack } from '../../src/models/packs/pack.ts'
import { PackError } from '../../src/models/packs/pack-error.ts'
import { failure, finish } from '../contracts/provider.ts'
import { picture } from '../emulators/pictures.ts'
import { openTestDatabase, quickest } from '../helpers/backends.ts'
import { keepLog } from '../helpers/log.ts'
import { plainRequest } from '../helpers/packs.ts'
import { falFixture } from '../helpers/providers/fal.ts'

const size = { as: 'object', name: 'image_size', aspects: { '1:1': [1024, 1024], '16:9': [1344, 768] } }
const route = { endpoint: 'fal-ai/flux-lora', size }
const pack = (changes: object = {}) =>
  JSON.stringify({ provider: 'fal', id: 'mine', title: 'Mine', routes: [route], ...changes })
const withRoute = (changes: object) => pack({ routes: [{ ...route, ...changes }] })
const openai = (changes: object) =>
  pack({ provider: 'openai', routes: [{ call: 'generations', model: 'm', size: { ...size, as: 'text' }, ...changes }] })

function inputOf(text: string, params: Partial<PictureRequest> = {}) {
  const model = parsePack(text)
  const refs = Array.from({ length: params.images ?? 0 }, (_, at) => ({ $image: at }))
  return model.routes[0]!.input(plainRequest(model, params), refs)
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

const sideways = (model: Model, width: number, height: number) =>
  quoteOf(model, { width, height, count: 1, images: 0 }).total

describe('a model pack', () => {
  it('becomes a model that takes what the pack says, and nothing else', () => {
    const model = parsePack(withRoute({ params: { steps: { name: 'num_inference_steps', min: 4, max: 50 } } }))
    expect(model).toMatchObject({ id: 'mine', title: 'Mine', aliases: [], price: 1 })
    const [{ takes }] = model.routes as [Model['routes'][number]]
    expect(takes).toMatchObject({
      images: { min: 0, max: 0 },
      count: 1,
      params: { steps: { min: 4, max: 50, integer: true } },
    })
    const refused = (params: object) => () => checkParams({ model, takes }, { prompt: 'a cat', ...params }, 0)
    for (const [params, kind] of [
      [{ seed: '7' }, 'not_taken'],
      [{ guidance: 3 }, 'not_taken'],
      [{ negative: 'text' }, 'not_taken'],
      [{ steps: 51 }, 'bad_option'],
      [{ count: 2 }, 'bad_option'],
      [{ aspect: '640x480' }, 'unknown_ratio'],
    ] as const) {
      expect(refused(params), kind).toThrowError(expect.objectContaining({ kind }))
    }
  })

  it('has a route for pictures with a mask beside one without', () => {
    const one = { images: { name: 'image_url', as: 'one', min: 1, max: 1 }, size: undefined }
    const routes = [
      { ...one, endpoint: 'fal-ai/a' },
      { ...one, endpoint: 'fal-ai/b', mask: { name: 'mask_url', marks: 'black' }, side: 1024 },
      { ...one, endpoint: 'fal-ai/c', expand: { as: 'sides', left: 'l', right: 'r', top: 't', bottom: 'b' } },
    ]
    const { routes: made } = parsePack(pack({ routes }))
    expect(made.map(({ takes: { mask, expand, kept } }) => ({ mask, expand, kept }))).toEqual([
      { mask: undefined, expand: undefined, kept: undefined },
      { mask: { marks: 'black', required: true }, expand: undefined, kept: { side: 1024 } },
      { mask: undefined, expand: { max: 2048, required: true }, kept: { side: 2048 } },
    ])
    const twice = [routes[1], { ...routes[1], endpoint: 'fal-ai/d' }]
    expect(mistakesOf(pack({ routes: twice }))[0]).toContain('routes[1].images: earlier routes take 1 pictures')
  })

  it('sends the LoRAs of a request under their names, and has a route for them', () => {
    const loras = {
      name: 'weights',
      path: 'url',
      scale: 'strength',
      max: 2,
      range: { min: -1, max: 1 },
      hosts: ['example.com'],
      stored: { pixel: 'owner/pixel' },
    }
    const text = withRoute({ loras })
    expect(parsePack(text).routes[0]?.takes.loras).toEqual({
      max: 2,
      range: { min: -1, max: 1 },
      names: ['pixel'],
      hosts: ['example.com'],
    })
    const asked = [{ path: 'pixel', scale: -0.5 }, { path: 'https://example.com/a' }]
    expect(inputOf(text, { loras: asked })).toMatchObject({
      weights: [{ url: 'owner/pixel', strength: -0.5 }, { url: 'https://example.com/a' }],
    })
    expect(inputOf(text)).not.toHaveProperty('weights')
    const usual = parsePack(withRoute({ loras: { name: 'loras', max: 3 } })).routes[0]?.takes.loras
    expect(usual).toMatchObject({ range: { min: 0, max: 4 }, hosts: ['huggingface.co', 'civitai.com', 'fal.media'] })
    // the second route is used for requests with LoRAs
    const both = parsePack(pack({ routes: [route, { ...route, endpoint: 'fal-ai/other', loras }] }))
    const core = { providers: { get: () => ({}) }, models: { all: () => [both] } } as unknown as Core
    expect(takenWith(core, both, { images: 0 }).loras).toBeUndefined()
    expect(takenWith(core, both, { images: 0, loras: true }).loras?.max).toBe(2)
  })

  it('costs its price for each size', () => {
    const one = parsePack(pack({ price: 3 }))
    expect([sideways(one, 512, 512), sideways(one, 1024, 1024), sideways(one, 2048, 2048)]).toEqual([3, 3, 3])
    const several = parsePack(pack({ price: { standard: 3, large: 5, input: 1 } }))
    expect([sideways(several, 1024, 1024), sideways(several, 1500, 1500), sideways(several, 2048, 2048)]).toEqual([
      3, 5, 12,
    ])
    expect(quoteOf(several, { width: 1024, height: 1024, count: 2, images: 1 }).total).toBe(7)
  })

  it.each<[string, object, object, Partial<PictureRequest>?]>([
    ['an object', size, { image_size: { width: 1024, height: 1024 } }],
    ['a text', { ...size, as: 'text' }, { image_size: '1024x1024' }],
    ['a text with a star', { ...size, as: 'text', between: '*' }, { image_size: '1024*1024' }],
    ['two sides', { as: 'sides', width: 'w', height: 'h', aspects: size.aspects }, { w: 1024, h: 1024 }],
    ['a ratio', { ...size, as: 'ratio' }, { image_size: '1:1' }],
    [
      'a nested ratio',
      { ...size, as: 'ratio', name: 'image_config.aspect_ratio' },
      { image_config: { aspect_ratio: '1:1' } },
    ],
    ['a preset', { ...size, values: { '1:1': 'square_hd' } }, { image_size: 'square_hd' }],
    ['nothing', { as: 'none', aspects: { '1:1': [1024, 1024] } }, {}],
    [
      'a ratio and a tier',
      { ...size, as: 'ratio', tiers: { name: 'resolution', factors: { '1K': 1, '2K': 2 } } },
      { image_size: '16:9', resolution: '2K' },
      { aspect: '2688x1536', width: 2688, height: 1536 },
    ],
  ])('sends the size as %s', (_, given, sent, params) => {
    expect(inputOf(withRoute({ size: given }), params)).toEqual({ prompt: 'a cat', ...sent })
  })

  it('sends parameters by their names and forms, and leaves out those without a value', () => {
    const text = withRoute({
      promptName: 'text',
      negative: { name: 'negative_prompt' },
      count: { name: 'num_images', max: 4 },
      params: {
        seed: { name: 'seed' },
        guidance: { name: 'config.guidance', min: 1, max: 9 },
        safety: { name: 'safety_tolerance', min: 1, max: 5, as: 'text', default: 2 },
      },
      size: undefined,
      images: { name: 'image_url', as: 'one', min: 1, max: 1 },
      body: { config: { mode: 'fast' }, loras: [{ path: 'https://loras.example/a.safetensors' }] },
    })
    const fixed = { loras: [{ path: 'https://loras.example/a.safetensors' }], image_url: { $image: 0 }, text: 'a cat' }
    expect(inputOf(text, { images: 1, aspect: 'auto' })).toEqual({
      ...fixed,
      config: { mode: 'fast' },
      num_images: 1,
      safety_tolerance: '2',
    })
    const all = { images: 1, aspect: 'auto', count: 3, seed: '7', guidance: 4.5, safety: 5, negative: 'text' }
    expect(inputOf(text, all)).toEqual({
      ...fixed,
      config: { mode: 'fast', guidance: 4.5 },
      num_images: 3,
      seed: 7,
      negative_prompt: 'text',
      safety_tolerance: '5',
    })
  })

  it('makes requests to an images API and to a chat', () => {
    expect(inputOf(openai({ previews: 2, body: { quality: 'low' } }))).toEqual({
      ...{ model: 'm', prompt: 'a cat', image_size: '1024x1024', quality: 'low', stream: true, partial_images: 2 },
    })
    const chat = { call: 'chat', images: { min: 0, max: 3 }, body: { modalities: ['image', 'text'] } }
    const ratio = { ...size, as: 'ratio', name: 'image_config.aspect_ratio' }
    expect(inputOf(openai({ ...chat, size: ratio }), { images: 1 })).toEqual({
      model: 'm',
      modalities: ['image', 'text'],
      image_config: { aspect_ratio: '1:1' },
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a cat' },
            { type: 'image_url', image_url: { url: { $image: 0 } } },
          ],
        },
      ],
    })
  })

  it.each<[string, string, readonly string[]]>([
    ['a list', '[]', ['write a pack as { "provider": …']],
    ['an unknown provider', pack({ provider: 'replicate' }), ['provider: write "fal" or "openai"']],
    ['no provider', JSON.stringify({ id: 'x', title: 'X', routes: [route] }), ['provider: write "fal" or "openai"']],
    [
      'an unknown field',
      pack({ tittle: 'X' }),
      ['"tittle" is not a field of a model pack; its fields are: about, provider'],
    ],
    [
      'an unknown field of a route',
      withRoute({ step: 4 }),
      ['routes[0]: "step" is not a field of a route; its fields are'],
    ],
    ['an id with capitals', pack({ id: 'Mine' }), ['id: use a–z']],
    ['a price in words', pack({ price: 'cheap' }), ['price: write a number of credits, as in 4, or an object']],
    [
      'steps with a fraction',
      withRoute({ params: { steps: { name: 'steps', min: 1, max: 50, default: 2.5 } } }),
      ['routes[0].params.steps: is a whole number'],
    ],
    [
      'a size of another ratio',
      withRoute({ size: { ...size, aspects: { '1:1': [1024, 1024], '16:9': [720, 1280] } } }),
      ['routes[0].size.aspects.16:9: 720 × 1280 has another shape'],
    ],
    [
      'a price of half a credit',
      pack({ price: 0.5 }),
      ['price.standard: write a whole number', 'price.small: ', 'price.large: ', 'price.huge: '],
    ],
    ['no routes', pack({ routes: [] }), ['routes: name at least one route']],
    [
      'an address',
      withRoute({ endpoint: 'https://fal.run/fal-ai/x' }),
      ['routes[0].endpoint: write the endpoint without an address'],
    ],
    ['an unknown size', withRoute({ size: { as: 'pixels' } }), ['routes[0].size.as: write how the size is sent']],
    [
      'a size without ratios',
      withRoute({ size: { as: 'object', name: 'x' } }),
      ['routes[0].size.aspects: write ratios'],
    ],
    [
      'a ratio that is none',
      withRoute({ size: { ...size, aspects: { square: [1, 2] } } }),
      ['routes[0].size.aspects.square: write ratios with their sizes'],
    ],
    [
      'no size',
      withRoute({ size: undefined }),
      ['routes[0].size: is missing; write how the size is sent, or the one size'],
    ],
    ['no endpoint', withRoute({ endpoint: undefined }), ['routes[0].endpoint: is missing']],
    [
      'fields of the other provider',
      withRoute({ call: 'generations', model: 'x' }),
      [
        'routes[0].call: belongs to the provider "openai"',
        'routes[0].model: belongs to the provider "openai"; a model of fal is its "endpoint"',
      ],
    ],
    ['no call', openai({ call: undefined }), ['routes[0].call: is missing']],
    ['pictures without a name', withRoute({ images: { min: 1, max: 2 } }), ['routes[0].images.name: is missing']],
    [
      'several in a field of one',
      withRoute({ images: { name: 'x', as: 'one', min: 1, max: 2 } }),
      ['routes[0].images.max: a field of "one" picture takes 1'],
    ],
    [
      'files for fal',
      withRoute({ images: { name: 'x', as: 'files', min: 1, max: 2 } }),
      ['routes[0].images.as: only "call": "edits" sends files'],
    ],
    [
      'an edit with a list',
      openai({ call: 'edits', images: { name: 'image', min: 1, max: 2 } }),
      ['routes[0].images.as: "call": "edits" sends files'],
    ],
    [
      'a chat with a count',
      openai({ call: 'chat', count: { name: 'n', max: 2 } }),
      ['routes[0].count: one chat answer has one picture'],
    ],
    [
      'auto without pictures',
      withRoute({ size: { ...size, auto: true } }),
      ['routes[0].size.auto: is for routes that need a picture'],
    ],
    [
      'what one field would hold, for two sides',
      withRoute({
        images: { name: 'i', as: 'one', min: 1, max: 1 },
        size: {
          as: 'sides',
          width: 'w',
          height: 'h',
          aspects: size.aspects,
          values: { '1:1': 'square' },
          auto: 'auto',
        },
      }),
      [
        'routes[0].size.values: "sides" has two fields; remove it',
        'routes[0].size.auto: "sides" has two fields; write true',
      ],
    ],
    [
      'a parameter that there is not',
      withRoute({ params: { quality: { name: 'quality' } } }),
      ['its fields are: seed, steps, guidance, strength, safety; write what every request sends into "body"'],
    ],
    [
      'a default outside of its range',
      withRoute({ params: { steps: { name: 's', min: 1, max: 4, default: 9 } } }),
      ['routes[0].params.steps.default: is outside min and max'],
    ],
    [
      'two values for one field',
      withRoute({ body: { seed: 1 }, params: { seed: { name: 'seed' } } }),
      ['routes[0].params.seed.name: "seed" is sent by body.seed as well'],
    ],
    [
      'a value of a ratio that it lacks',
      withRoute({ size: { ...size, values: { '4:3': 'x' } } }),
      ['routes[0].size.values.4:3: is not one of "aspects"'],
    ],
    [
      'a mask without a picture',
      withRoute({ mask: { name: 'mask_url', marks: 'white' } }),
      ['routes[0].mask: is for routes that need a picture'],
    ],
    [
      'a mask in JSON for openai',
      openai({ images: { name: 'i', min: 1, max: 1 }, mask: { name: 'mask', marks: 'grey' } }),
      ['routes[0].mask.marks: write how the service reads'],
    ],
    [
      'sides with a size, by a mask that is not there',
      withRoute({ images: { name: 'i', as: 'one', min: 1, max: 1 }, expand: { as: 'mask' } }),
      [
        'routes[0].size: a picture that grows keeps its own size',
        'routes[0].expand: "as": "mask" needs the field "mask"',
      ],
    ],
    ['a longest side of nothing', withRoute({ side: 1024 }), ['routes[0].side: is for results that keep the size']],
    [
      'LoRAs that no request can name, beside those of the pack',
      withRoute({ loras: { name: 'loras', max: 1, hosts: [], range: { min: 2, max: 1 } }, body: { loras: [] } }),
      [
        'routes[0].loras.range: min is greater than max',
        'routes[0].loras: without "hosts"',
        'routes[0].loras.name: "loras" is sent by body.loras as well',
      ],
    ],
    [
      'an address in place of a host',
      withRoute({ loras: { name: 'loras', max: 99, hosts: ['https://a.b'], stored: { 'A b': '' } } }),
      [
        'routes[0].loras.max: write a whole number, 1–16',
        'routes[0].loras.hosts[0]: write the name of a host',
        'routes[0].loras.stored',
      ],
    ],
    ['a field of fluxbot’s own', openai({ body: { model: 'x' } }), ['routes[0].body.model: fluxbot sends it itself']],
    ['two prices of the service', withRoute({ cost: { picture: 1, megapixel: 1 } }), ['routes[0].cost: write one of']],
    [
      'a route that is never used',
      pack({ routes: [route, { ...route, endpoint: 'fal-ai/other' }] }),
      ['routes[1].images: earlier routes take 0 pictures'],
    ],
    [
      'the same endpoint twice',
      pack({ routes: [route, { ...route, images: { name: 'x', min: 1, max: 1 } }] }),
      ['routes[1]: has the same address as routes[0]'],
    ],
    [
      'a place that is none',
      withRoute({ result: { pictures: 'images[0].url' } }),
      ['routes[0].result.pictures: write names separated by dots'],
    ],
  ])('reports the mistake, its place and its cure: %s', (_, text, expected) => {
    const mistakes = mistakesOf(text)
    for (const [at, words] of expected.entries()) expect(mistakes[at]).toContain(words)
    expect(mistakes).toHaveLength(expected.length)
  })
})

describe('a model pack of fal', () => {
  const fal = falFixture()

  it('draws with the LoRAs of the pack', async () => {
    const { provider, emulator, requestsTo } = await fal.open()
    const loras = [{ path: 'https://loras.example/a.safetensors', scale: 0.8 }]
    const model = parsePack(withRoute({ count: { name: 'num_images', max: 4 }, body: { loras } }))
    const [{ endpoint, input }] = model.routes as [Model['routes'][number]]
    const work = {
      id: crypto.randomUUID(),
      endpoint,
      images: [],
      input: input(plainRequest(model, { count: 2 }), []),
      count: 2,
    }
    expect((await finish(provider, work)).images).toHaveLength(2)
    expect(JSON.parse(String(requestsTo(/flux-lora$/)[0]?.body))).toMatchObject({ loras })
    expect(emulator.accepted()).toBe(1)
  })

  it('reads the picture where the pack says, and ends at once if it is not there', async () => {
    const { provider, emulator } = await fal.open()
    const model = (await readBuiltInPacks()).find(({ id }) => id === 'remove-background')!
    const [{ endpoint, input, result }] = model.routes as [Model['routes'][number]]
    const file = { data: await picture(64, 48, 'png'), type: 'image/png' as const, width: 64, height: 48 }
    const work = () => ({
      ...{ id: crypto.randomUUID(), endpoint, images: [file], result },
      input: input(plainRequest(model, { prompt: '', images: 1 }), [{ $image: 0 }]),
    })
    expect((await finish(provider, work())).images).toHaveLength(1)
    const error = await failure(finish(provider, { ...work(), result: { pictures: 'output[].url' } }))
    expect(error).toMatchObject({ kind: 'bad_result', final: true })
    expect(emulator.accepted()).toBe(2)
  })
})

describe('the catalogue', () => {
  const undo: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const each of undo.splice(0).reverse()) await each()
  })

  it('reads packs of all kinds from both folders, refuses the names of built-in models, and puts an own pack in the place of a built-in one', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'catalogue-'))
    undo.push(() => rm(dataDir, { recursive: true }))
    const database = await openTestDatabase(quickest)
    undo.push(() => database.drop())
    const log = keepLog()
    for (const name of ['models', 'workflows']) await mkdir(join(dataDir, name))
    await writeFile(join(dataDir, 'models', 'a.json'), pack({ id: 'in-models' }))
    await writeFile(join(dataDir, 'workflows', 'b.json'), pack({ id: 'in-workflows' }))
    await writeFile(join(dataDir, 'models', 'c.json'), pack({ id: 'z-image', title: 'My own' }))
    await writeFile(join(dataDir, 'models', 'e.json'), pack({ id: 'flux-dev' }))
    await writeFile(join(dataDir, 'models', 'd.json'), pack({ id: 'Wrong' }))
    const setUp = new Set(['fal'])
    const entryOf = (name: string) => ({ provider: { name } })
    const providers = {
      get: (name: string) => (setUp.has(name) ? entryOf(name) : undefined),
      all: () => [...setUp].map(entryOf),
    }
    const options = { database: database.database, providers: providers as never, folders: packFolders(dataDir), log }
    const catalogue = await keepCatalogue(options)
    undo.push(async () => catalogue.stop())
    const ids = catalogue.all().map(({ id }) => id)
    expect(ids.slice(-3)).toEqual(['in-models', 'z-image', 'in-workflows'])
    expect(catalogue.all().filter(({ id }) => id === 'z-image')).toMatchObject([{ title: 'My own' }])
    expect(log.lines.join()).toContain('flux-dev: the name \\"flux-dev\\" is taken by another model; choose another')
    expect(log.lines.join()).toContain('models/d.json: id: use a–z')
    // a built-in model has a name that a pack of fal has taken while that pack is away
    const named = () => findModel(catalogue.all(), 'nano-banana').id
    setUp.add('gemini')
    expect(named()).toBe('nano-banana')
    setUp.delete('fal')
    expect(named()).toBe('gemini-image')
    expect(findModel(catalogue.all(), 'nano-banana-pro').id).toBe('gemini-image-pro')
  })
})

it('the guide has packs without mistakes, and names every field', async () => {
  const guide = await readFile(new URL('../../docs/model-packs.md', import.meta.url), 'utf8')
  const examples = [...guide.matchAll(/```json\n(\{[\s\S]*?\n\})\n```/g)].map(([, text = '']) => text)
  expect(examples.length).toBeGreaterThanOrEqual(3)
  for (const text of examples) expect(() => parsePack(text)).not.toThrow()
  const { routes, ...fields } = modelPackShape.shape
  for (const name of [...Object.keys(fields), ...Object.keys(routes.element.shape)])
    expect(guide).toContain(`| \`${name}\` `)
})
