/** Masks and sides that grow, with the services that draw them. */
import { sql } from 'drizzle-orm'
import { toFile } from 'openai'
import sharp from 'sharp'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { accountOf } from '../../../../src/core/accounts/accounts.ts'
import type { Model } from '../../../../src/core/ports/models.ts'
import { picturesOf } from '../../../../src/core/privacy/records.ts'
import { comfyuiModels } from '../../../../src/models/comfyui.ts'
import { kontextEndpoints } from '../../../../src/models/kontext.ts'
import { readBuiltInPacks } from '../../../../src/models/packs/built-in.ts'
import { sketch } from '../../../../src/models/sketch.ts'
import { createComfyui } from '../../../../src/providers/comfyui/comfyui.ts'
import { sketch as sketchKind } from '../../../../src/providers/sketch/sketch.ts'
import { startComfyui } from '../../../emulators/comfyui/index.ts'
import { startFal } from '../../../emulators/fal/index.ts'
import { attachment, pngOf } from '../../../helpers/core.ts'
import { keepLog } from '../../../helpers/log.ts'
import { createFal } from '../../../helpers/providers/fal.ts'
import { openOpenAi } from '../../../helpers/providers/openai.ts'
import { closeService, openService, type Service } from './service.ts'

const [width, height] = [96, 80]
let service: Service
const closing: (() => unknown)[] = []
let packs: readonly Model[]
let picture: Buffer
/** Marks the left half, as OpenAI's clients do: by transparency. */
let mask: Buffer

beforeAll(async () => {
  packs = await readBuiltInPacks()
  picture = await pngOf(width, height, '#3366cc')
  mask = await half(0)
})
afterEach(async () => {
  const wrong = await closeService(service)
  for (const close of closing.splice(0)) await close()
  expect(wrong).toEqual([])
})

/** The right half has this opacity, and the left half the opposite. */
async function half(alpha: 0 | 255): Promise<Buffer> {
  const pixels = Buffer.alloc(width * height * 4)
  for (let at = 0; at < width * height; at++) pixels[at * 4 + 3] = at % width < width / 2 ? alpha : 255 - alpha
  return sharp(pixels, { raw: { width, height, channels: 4 } })
    .png()
    .toBuffer()
}

const log = () => ({ log: keepLog() })
const settings = { timeoutMs: 60_000, concurrency: 5 }

async function open(only?: readonly string[]) {
  const fal = await startFal({ webhooks: false })
  const images = await openOpenAi()
  const comfy = await startComfyui()
  const providers = [
    createFal(fal.url, { key: fal.key }),
    images.provider,
    createComfyui({ baseUrl: comfy.url }, log()),
    sketchKind.create({ baseUrl: 'sketch:', ...settings }, log()),
  ]
  closing.push(
    ...providers.map((each) => () => each.close?.()),
    () => fal.stop(),
    images.close,
    () => comfy.stop(),
  )
  const all = [...packs, ...comfyuiModels, ...kontextEndpoints, sketch]
  const models = only ? all.filter(({ id }) => only.includes(id)) : all
  service = await openService({ providers, models, limits: { welcome: 500 }, providerMs: 60_000 })
  await service.test.work()
  const sentTo = (path: RegExp, from: { requests: { path: string; body: Buffer; method: string }[] }) =>
    from.requests.filter((each) => each.method === 'POST' && path.test(each.path)).map(({ body }) => body)
  return {
    fal: (endpoint: string) => sentTo(new RegExp(`^/${endpoint}$`), fal).map((body) => JSON.parse(String(body))),
    openai: () => images.emulator.bodies as { mask?: Buffer; images: Buffer[]; size: string }[],
    comfy: () => sentTo(/prompt$/, comfy).map((body) => JSON.parse(String(body)).prompt),
    uploaded: (name: string) => comfy.files.read('input', name),
  }
}

const file = (data: Buffer) => toFile(data, 'a.png', { type: 'image/png' })
const decoded = (url: string) => Buffer.from(url.slice(url.indexOf(',') + 1), 'base64')
const pixel = async (data: Buffer | undefined, left: number, top = 5) => {
  const { data: raw } = await sharp(data)
    .extract({ left, top, width: 1, height: 1 })
    .raw()
    .toBuffer({ resolveWithObject: true })
  return [...raw]
}
const size = async (data: Buffer | undefined) => {
  const { width, height, channels } = await sharp(data).metadata()
  return [width, height, channels]
}
const edit = async (fields: object) =>
  service.client().images.edit({ prompt: 'a hat', image: await file(picture), ...fields })
const rows = () =>
  service.test.core.database.rows<{
    state: string
    endpoint: string
    price: number
    roles: string[]
    charged: number
  }>(sql`
    select state, endpoint, price, (select -sum(amount)::int from ledger where generation_id = g.id) as charged,
      (select array_agg(role order by role, position) from images where generation_id = g.id) as roles
    from generations g order by id`)

describe('a mask', () => {
  it('of OpenAI’s client is sent as fal reads it, and the request is charged once', async () => {
    const sent = await open()
    const { data } = await edit({ model: 'flux-fill', mask: await file(mask) })
    expect(data).toHaveLength(1)
    const [body] = sent.fal('fal-ai/flux-pro/v1/fill')
    expect(Object.keys(body).sort()).toEqual([
      ...['image_url', 'mask_url', 'num_images', 'output_format', 'prompt', 'safety_tolerance'],
    ])
    const marks = decoded(body.mask_url)
    expect(await size(marks)).toEqual([width, height, 1])
    expect([(await pixel(marks, 5))[0], (await pixel(marks, 90))[0]]).toEqual([255, 0])
    expect(await size(decoded(body.image_url))).toEqual([width, height, 3])
    expect(await rows()).toEqual([
      {
        state: 'delivered',
        endpoint: 'fal-ai/flux-pro/v1/fill',
        price: 5,
        charged: 5,
        roles: ['input', 'mask', 'output'],
      },
    ])
    const { core } = service.test
    const exported: string[] = []
    const ann = await accountOf(core, { id: 'test:ann', name: 'ann' })
    for await (const { name } of picturesOf(core, ann)) exported.push(name.replace(/^.*\//, ''))
    expect(exported).toEqual(['input-1.png', 'mask-1.png', 'output-1.jpg'])
  })

  it('is sent as OpenAI reads it, and is no input picture that costs credits', async () => {
    const sent = await open()
    // opaque: white marks the area
    const grey = await sharp(mask).extractChannel('alpha').negate().toColourspace('b-w').png().toBuffer()
    await edit({ model: 'gpt-image', mask: await file(grey), size: '1024x1024' })
    const [body] = sent.openai()
    expect(body?.images).toHaveLength(1)
    expect(body?.size).toBe('1024x1024')
    expect(await size(body?.mask)).toEqual([width, height, 4])
    expect([await pixel(body?.mask, 5), await pixel(body?.mask, 90)]).toEqual([
      [0, 0, 0, 0],
      [0, 0, 0, 255],
    ])
    expect(await rows()).toMatchObject([{ price: 5, charged: 5 }])
  })

  it('is uploaded to ComfyUI, and read by its red channel', async () => {
    const sent = await open()
    const link = `data:image/png;base64,${mask.toString('base64')}`
    const image = `data:image/png;base64,${picture.toString('base64')}`
    const body = { model: 'comfy-fill', prompt: 'a hat', image, mask: { image_url: link } }
    await service.client().post('/images/edits', { body })
    const [graph] = sent.comfy()
    expect(graph['11']).toMatchObject({ class_type: 'LoadImageMask', inputs: { channel: 'red' } })
    expect(graph['13']).toMatchObject({ class_type: 'InpaintModelConditioning', inputs: { mask: ['11', 0] } })
    const marks = sent.uploaded(graph['11'].inputs.image)
    expect([(await pixel(marks, 5))[0], (await pixel(marks, 90))[0]]).toEqual([255, 0])
  })

  it('is kept by the built-in model to the pixel, by a reroll, and by a variation in the size of its picture', async () => {
    await open(['sketch'])
    const { data } = await edit({ mask: await file(mask), seed: 7 })
    const drawn = decoded(`,${data?.[0]?.b64_json}`)
    expect(await size(drawn)).toEqual([width, height, 3])
    expect(await pixel(drawn, 90)).toEqual([0x33, 0x66, 0xcc])
    expect(await pixel(drawn, 5)).not.toEqual([0x33, 0x66, 0xcc])
    const [{ id } = { id: '' }] = await service.generations()
    for (const [action, number] of [
      ['reroll', ''],
      ['vary', '-1'],
    ] as const) {
      const call = await service.test.say('', {
        act: { kind: 'press', button: `1:${action}:${id}${number}` },
        from: { id: 'test:ann', name: 'ann' },
      })
      expect(await service.test.ended(call)).toBe('delivered')
      const shown = service.test.chat.last(call.address)
      expect(shown?.text).toContain('with a mask')
      expect(await pixel(shown?.pictures?.[0]?.file.data, 90)).toEqual([0x33, 0x66, 0xcc])
    }
    expect((await rows()).map(({ roles, charged }) => [roles.length, charged])).toEqual([
      [3, 1],
      [4, 1],
      [4, 1],
    ])
  })

  const refusals: [string, () => Promise<object> | object, { param: string; message: RegExp }][] = [
    [
      'another size',
      async () => ({ model: 'flux-fill', mask: await file(await pngOf(40, 40, '#ffffff')) }),
      { param: 'mask', message: /40×40 pixels and the picture 96×80/ },
    ],
    [
      'nothing marked',
      async () => ({ model: 'flux-fill', mask: await file(await pngOf(width, height, '#000000')) }),
      { param: 'mask', message: /marks nothing/ },
    ],
    [
      'a model that takes none',
      async () => ({ model: 'nano-banana', mask: await file(mask) }),
      {
        param: 'mask',
        message: /nano-banana does not take mask\. Choose a model that does: .*flux-fill.*gpt-image.*comfy-fill/,
      },
    ],
    [
      'a size, where the picture keeps its own',
      async () => ({ model: 'sketch', mask: await file(mask), size: '16:9' }),
      { param: 'size', message: /follows from the picture/ },
    ],
    ['no mask, for a model that needs one', () => ({ model: 'comfy-fill' }), { param: 'expand', message: /left:256/ }],
    [
      'a second picture',
      async () => ({ model: 'flux-fill', image: [await file(picture), await file(picture)], mask: await file(mask) }),
      { param: 'image', message: /at most 1/ },
    ],
    [
      'both at once, where no route takes both',
      async () => ({ model: 'comfy-fill', mask: await file(mask), expand: '10%' }),
      { param: 'expand', message: /together with a mask/ },
    ],
    ['sides that are no numbers', () => ({ expand: 'left:much' }), { param: 'expand', message: /left:256,top:50%/ }],
    [
      'a side beyond the limit',
      () => ({ model: 'sketch', expand: 'left:1500' }),
      { param: 'expand', message: /0–1024/ },
    ],
    ['a hostile file', async () => ({ mask: await file(Buffer.from('<svg/>')) }), { param: 'image', message: /PNG/ }],
  ]

  it('is refused at no cost, with the cure, where it cannot be drawn', async () => {
    await open()
    for (const [what, fields, { param, message }] of refusals) {
      const error = await edit(await fields()).catch((thrown: unknown) => thrown)
      expect(error, what).toMatchObject({ status: 400, param })
      expect((error as Error).message, what).toMatch(message)
    }
    expect(await rows()).toEqual([])
  })
})

describe('a picture that grows', () => {
  it('is sent larger with a mask of what is new, or with its sides', async () => {
    const sent = await open()
    await edit({ model: 'flux-fill', expand: 'left:32,bottom:50%' })
    await edit({ model: 'flux-outpaint', prompt: '', expand: 'right:10' })
    await edit({ model: 'comfy-fill', expand: 'top:25%' })
    const [body] = sent.fal('fal-ai/flux-pro/v1/fill')
    const marks = decoded(body.mask_url)
    expect([await size(decoded(body.image_url)), await size(marks)]).toEqual([
      [width + 32, height + 40, 3],
      [width + 32, height + 40, 1],
    ])
    const marked = [await pixel(marks, 5), await pixel(marks, 60), await pixel(marks, 60, height + 5)]
    expect(marked.map(([value]) => value)).toEqual([255, 0, 255])
    const [{ image_url: image, ...outpainted }] = sent.fal('fal-ai/flux-2-pro/outpaint')
    expect(outpainted).toEqual({ expand_left: 0, expand_right: 10, expand_top: 0, expand_bottom: 0 })
    expect(await size(decoded(image))).toEqual([width, height, 3])
    const [graph] = sent.comfy()
    expect(graph['11']).toMatchObject({ class_type: 'ImagePadForOutpaint', inputs: { left: 0, top: 20, right: 0 } })
    expect((await rows()).map(({ state }) => state)).toEqual(['delivered', 'delivered', 'delivered'])
  })

  it('grows in a chat, by words of the request, and again by its button', async () => {
    await open(['sketch'])
    const from = { id: 'test:ann', name: 'ann' }
    const call = await service.test.say('a beach --expand left:50%,top:16', { from, images: [attachment(picture)] })
    expect(await service.test.ended(call)).toBe('delivered')
    const shown = service.test.chat.last(call.address)
    expect(shown?.text).toContain('extended by left:48,top:16')
    const grown = shown?.pictures?.[0]?.file.data
    expect(await size(grown)).toEqual([width + 48, height + 16, 3])
    expect([await pixel(grown, 60, 50), await pixel(grown, 5, 50)]).toEqual([
      [0x33, 0x66, 0xcc],
      expect.not.arrayContaining([0x33, 0x66, 0xcc]),
    ])
    const [{ id } = { id: '' }] = await service.generations()
    const again = await service.test.say('', { from, act: { kind: 'press', button: `1:reroll:${id}` } })
    expect(await service.test.ended(again)).toBe('delivered')
    expect(service.test.chat.last(again.address)?.text).toContain('extended by left:48,top:16')
    const refused = await service.test.say('a beach --expand left:50%', { from })
    expect(service.test.chat.last(refused.address)?.text).toContain('needs a picture')
  })

  it('is read from the words of chat completions and responses', async () => {
    await open(['sketch'])
    const url = `data:image/png;base64,${picture.toString('base64')}`
    const text = 'wider --expand left:16'
    await service.client().chat.completions.create({
      model: 'sketch',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text },
            { type: 'image_url', image_url: { url } },
          ],
        },
      ],
    })
    const content = [
      { type: 'input_text', text },
      { type: 'input_image', image_url: url },
    ]
    await service.client().post('/responses', { body: { model: 'sketch', input: [{ role: 'user', content }] } })
    const stored = await service.test.core.database.rows(sql`select request->'expand' as expand from generations`)
    expect(stored).toEqual(Array(2).fill({ expand: { left: 16, right: 0, top: 0, bottom: 0 } }))
  })

  it('is shrunk before, where the result would be too large', async () => {
    const sent = await open()
    await edit({ model: 'flux-fill', image: await file(await pngOf(4096, 512)), expand: { left: 1024 } })
    const [body] = sent.fal('fal-ai/flux-pro/v1/fill')
    // 5,120 × 512 pixels become 2,048 × 205
    expect(await size(decoded(body.image_url))).toEqual([2048, 205, 3])
    const marks = decoded(body.mask_url)
    expect([(await pixel(marks, 400))[0], (await pixel(marks, 420))[0]]).toEqual([255, 0])
    const from = { id: 'test:ann', name: 'ann' }
    const [{ id } = { id: '' }] = await service.generations()
    const again = await service.test.say('', { from, act: { kind: 'press', button: `1:reroll:${id}` } })
    expect(await service.test.ended(again)).toBe('delivered')
    expect(service.test.chat.last(again.address)?.text).toContain('extended by left:410')
  })
})
