/** LoRAs of requests: what fal receives, what is refused, and which buttons keep them. */
import { sql } from 'drizzle-orm'
import { toFile } from 'openai'
import { afterEach, expect, it } from 'vitest'
import { accountOf } from '../../../../src/core/accounts/accounts.ts'
import { readResult } from '../../../../src/core/generation/result.ts'
import { erase } from '../../../../src/core/media/erase.ts'
import type { Model, PictureRequest } from '../../../../src/core/ports/models.ts'
import { remixesOf } from '../../../../src/core/results/again.ts'
import { readBuiltInPacks } from '../../../../src/models/packs/built-in.ts'
import { parsePack } from '../../../../src/models/packs/pack.ts'
import { sketch } from '../../../../src/models/sketch.ts'
import { sketch as sketchKind } from '../../../../src/providers/sketch/sketch.ts'
import { startFal } from '../../../emulators/fal/index.ts'
import { attachment, pngOf } from '../../../helpers/core.ts'
import { keepLog } from '../../../helpers/log.ts'
import { createFal } from '../../../helpers/providers/fal.ts'
import { closeService, openService, type Service } from './service.ts'

const ink = 'https://huggingface.co/ann/ink/resolve/main/ink.safetensors'
const from = { id: 'test:ann', name: 'ann' }
const size = { as: 'object', name: 'image_size', aspects: { '1:1': [512, 512] } }
/** An operator's pack with a stored LoRA, and none from elsewhere. */
const house = parsePack(
  JSON.stringify({
    provider: 'fal',
    id: 'house',
    title: 'House style',
    routes: [
      {
        endpoint: 'fal-ai/flux-lora',
        size,
        loras: { name: 'loras', max: 1, range: { min: 0, max: 1.5 }, hosts: [], stored: { pixel: 'ann/pixel-lora' } },
      },
    ],
  }),
)

let service: Service
let close: () => Promise<unknown>
afterEach(async () => {
  const wrong = await closeService(service)
  await close()
  expect(wrong).toEqual([])
})

async function open() {
  const fal = await startFal({ webhooks: false })
  const provider = createFal(fal.url, { key: fal.key })
  close = async () => {
    await provider.close?.()
    await fal.stop()
  }
  const packs = await readBuiltInPacks()
  const wanted = ['flux-lora', 'z-image', 'flux-fill']
  const models: Model[] = [...packs.filter(({ id }) => wanted.includes(id)), house, sketch]
  const builtIn = sketchKind.create({ baseUrl: 'sketch:', timeoutMs: 60_000, concurrency: 5 }, { log: keepLog() })
  service = await openService({ providers: [provider, builtIn], models, limits: { welcome: 500 }, providerMs: 60_000 })
  await service.test.work()
  return (endpoint: string) =>
    fal.requests
      .filter(({ method, path }) => method === 'POST' && path === `/${endpoint}`)
      .map(({ body }) => JSON.parse(String(body)))
}

const draw = (fields: object) => service.client().post('/images/generations', { body: { prompt: 'a cat', ...fields } })
const requests = () =>
  service.test.core.database.rows<{ model: string; request: PictureRequest }>(
    sql`select model, request from generations order by id`,
  )
const press = async (button: string) => {
  const call = await service.test.say('', { act: { kind: 'press', button }, from })
  expect(await service.test.ended(call)).toBe('delivered')
  return service.test.chat.last(call.address)?.text
}

it('of programs are sent to fal exactly so, and choose the model', async () => {
  const sent = await open()
  const loras = [{ path: ink, scale: 0.8 }, { path: 'https://civitai.com/api/download/models/7?type=Model' }]
  await draw({ loras, seed: 7, size: '16:9' })
  const picture = await toFile(await pngOf(64, 64), 'a.png', { type: 'image/png' })
  await service.client().images.edit({ prompt: 'night', image: picture, loras: [{ path: ink, scale: 1.5 }] } as never)
  const messages = [{ role: 'user' as const, content: `a cat --lora ${ink}:0.5` }]
  await service.client().chat.completions.create({ model: 'flux-lora', messages })
  const input = `a dog --lora ${ink}`
  await service.client().post('/responses', { body: { model: 'flux-lora', input } })
  await draw({ model: 'house', loras: [{ path: 'Pixel' }] })
  const fixed = { enable_safety_checker: true, num_images: 1, output_format: 'jpeg' }
  expect(sent('fal-ai/flux-lora')).toEqual([
    { ...fixed, prompt: 'a cat', seed: 7, image_size: { width: 1280, height: 720 }, loras },
    { ...fixed, prompt: 'a cat', image_size: { width: 1024, height: 1024 }, loras: [{ path: ink, scale: 0.5 }] },
    { ...fixed, prompt: 'a dog', image_size: { width: 1024, height: 1024 }, loras: [{ path: ink }] },
    { prompt: 'a cat', image_size: { width: 512, height: 512 }, loras: [{ path: 'ann/pixel-lora' }] },
  ])
  const image_url = expect.stringMatching(/^(data:|http)/)
  expect(sent('fal-ai/flux-lora/image-to-image')).toEqual([
    { ...fixed, prompt: 'night', image_url, strength: 0.85, loras: [{ path: ink, scale: 1.5 }] },
  ])
  expect((await requests()).map(({ model }) => model)).toEqual([...Array(4).fill('flux-lora'), 'house'])
})

it('are refused at no cost, with the cure', async () => {
  await open()
  const refusals: [object, RegExp][] = [
    [{ model: 'z-image', loras: [{ path: ink }] }, /z-image.* flux-lora, sketch\./],
    [{ model: 'house', loras: [{ path: ink }] }, /house cannot use the LoRA .*Name one of its own \(pixel\)/],
    [
      { model: 'flux-lora', loras: [{ path: 'pixel' }] },
      /the address of one from huggingface\.co, civitai\.com, fal\.media/,
    ],
    [
      { loras: [{ path: 'https://example.com/a' }], model: 'flux-lora' },
      /cannot use the LoRA https:\/\/example\.com\/a/,
    ],
    [{ model: 'house', loras: [{ path: 'pixel', scale: 2 }] }, /pixel:2.*:0–:1\.5/],
    [{ model: 'house', loras: [{ path: 'pixel' }, { path: 'pixel' }] }, /house takes at most one LoRA/],
    [{ loras: [{ path: 'http://huggingface.co/a' }] }, /an https address without a password/],
    [{ loras: [{ path: ink, weight: 1 }] }, /Unrecognized key: "weight"/],
    [{ loras: Array(17).fill({ path: 'pixel' }) }, /loras/],
  ]
  for (const [fields, message] of refusals) {
    const error = await draw(fields).catch((thrown: unknown) => thrown)
    expect(error, JSON.stringify(fields)).toMatchObject({ status: 400, param: expect.stringMatching(/^loras/) })
    expect((error as Error).message).toMatch(message)
  }
  expect(await requests()).toEqual([])
})

it('of a chat are shown, kept by the buttons, and erased with the words', async () => {
  const sent = await open()
  const call = await service.test.say(`a cat --model flux-lora --lora ${ink}:0.8`, { from })
  expect(await service.test.ended(call)).toBe('delivered')
  expect(service.test.chat.last(call.address)?.text).toContain('LoRA ink:0.8')
  const [{ id } = { id: '' }] = await service.generations()
  for (const button of [`1:reroll:${id}`, `1:vary:${id}-1`]) expect(await press(button)).toContain('LoRA ink:0.8')
  const reply = await service.test.say(`/edit ${id} at night`, { from })
  expect(await service.test.ended(reply)).toBe('delivered')
  const loras = [{ path: ink, scale: 0.8 }]
  expect((await requests()).map(({ request }) => request.loras)).toEqual([loras, loras, loras, loras])
  expect(sent('fal-ai/flux-lora').map((body) => body.loras)).toEqual([loras, loras])
  expect(sent('fal-ai/flux-lora/image-to-image').map((body) => [body.prompt, body.loras])).toEqual([
    ['a cat', loras],
    ['at night', loras],
  ])
  const { core } = service.test
  const result = await readResult(core, id)
  expect(remixesOf(core, result!).map(({ chosen, params }) => [chosen.model.id, params.loras])).toEqual([
    ['sketch', loras],
  ])
  await erase(core, await accountOf(core, from), id)
  expect((await requests())[0]?.request).not.toHaveProperty('loras')
})

it('choose a model that takes them, and none where the picture needs another route', async () => {
  const sent = await open()
  const call = await service.test.say(`a cat --lora ${ink}`, { from })
  expect(await service.test.ended(call)).toBe('delivered')
  expect(sent('fal-ai/flux-lora')).toHaveLength(1)
  const image = attachment(await pngOf(64, 64))
  const refused = await service.test.say(`a cat --model house --lora pixel`, { from, images: [image] })
  expect(service.test.chat.last(refused.address)?.text).toContain('house draws from words only')
})
