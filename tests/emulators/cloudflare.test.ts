/** Checks the emulator of Cloudflare with the documented curl examples, sent with Node's fetch and FormData. */
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { type CloudflareOptions, startCloudflare } from './cloudflare/index.ts'
import { picture } from './pictures.ts'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

const schnell = '@cf/black-forest-labs/flux-1-schnell'
const klein = '@cf/black-forest-labs/flux-2-klein-4b'
const dev = '@cf/black-forest-labs/flux-2-dev'
const lucid = '@cf/leonardo/lucid-origin'
const phoenix = '@cf/leonardo/phoenix-1.0'

interface Envelope {
  result: { image?: string; status?: string } | { name: string }[] | null
  success: boolean
  errors?: { code: number; message: string }[]
  error?: { code: number; message: string }[]
}

async function open(options: CloudflareOptions = {}) {
  const emulator = await startCloudflare(options)
  stops.push(emulator.stop)
  const authorization = { authorization: `Bearer ${emulator.token}` }
  const run = (model: string, input: object, base = `${emulator.baseUrl}/ai/run`) =>
    fetch(`${base}/${model}`, {
      method: 'POST',
      headers: { ...authorization, 'content-type': 'application/json' },
      body: JSON.stringify(input),
    })
  const runForm = (model: string, fields: Record<string, string | Blob>) => {
    const body = new FormData()
    for (const [name, value] of Object.entries(fields)) body.append(name, value)
    return fetch(`${emulator.baseUrl}/ai/run/${model}`, { method: 'POST', headers: authorization, body })
  }
  const get = (url: string, headers: Record<string, string> = authorization) => fetch(url, { headers })
  return { emulator, run, runForm, get }
}

const envelope = async (response: Response) => (await response.json()) as Envelope

async function sizeOf(response: Response) {
  const { result, success } = await envelope(response)
  expect(success).toBe(true)
  const { image } = result as { image: string }
  const { width, height, format } = await sharp(Buffer.from(image, 'base64')).metadata()
  return `${width}x${height} ${format}`
}

async function errorOf(response: Response) {
  const { success, errors, error } = await envelope(response)
  expect(success).toBe(false)
  const first = (errors ?? error)?.[0]
  const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/
  return [response.status, first?.code, first?.message.replace(uuid, 'id')]
}

const blob = async (width: number, height: number) =>
  new Blob([new Uint8Array(await picture(width, height, 'png'))], { type: 'image/png' })

describe('the emulated model schnell', () => {
  it('returns a square JPEG in base64', async () => {
    const { emulator, run } = await open()
    expect(await sizeOf(await run(schnell, { prompt: 'a fox', steps: 8 }))).toBe('1024x1024 jpeg')
    expect(emulator.inputs).toEqual([{ model: schnell, input: { prompt: 'a fox', steps: 8 } }])
  })

  it.each([
    [{ steps: 4 }, "AiError: Bad input: Error: required properties at '/' are 'prompt' (id)"],
    [
      { prompt: 'a fox', seed: 7 },
      "AiError: Bad input: Error: Additional or unevaluated properties '/seed' at '/' not allowed (id)",
    ],
    [{ prompt: 'a fox', steps: 9 }, "AiError: Bad input: Error: '/steps' must be <= 8 (id)"],
    [
      { prompt: 'a fox', steps: 1.5 },
      "AiError: Bad input: Error: Type mismatch of '/steps', 'integer' not in 'number' (id)",
    ],
    [{ prompt: 5 }, "AiError: Bad input: Error: Type mismatch of '/prompt', 'string' not in 'number' (id)"],
    [{ prompt: 'x'.repeat(2049) }, "AiError: Bad input: Error: '/prompt' must be <= 2048 (id)"],
  ])('refuses an input outside its schema: %j', async (input, message) => {
    const { emulator, run } = await open()
    expect(await errorOf(await run(schnell, input))).toEqual([400, 5006, message])
    expect(emulator.accepted()).toBe(0)
  })
})

describe('the other emulated models', () => {
  it('return base64 (lucid) or bytes (phoenix), in the requested size or their default size', async () => {
    const { run } = await open()
    expect(await sizeOf(await run(lucid, { prompt: 'a fox', guidance: 0, seed: 3, num_steps: 40 }))).toBe(
      '1120x1120 jpeg',
    )
    const raw = await run(phoenix, { prompt: 'a fox', negative_prompt: 'hens', width: 768, height: 512 })
    expect(raw.headers.get('content-type')).toBe('image/jpeg')
    const { width, height, format } = await sharp(Buffer.from(await raw.arrayBuffer())).metadata()
    expect([width, height, format]).toEqual([768, 512, 'jpeg'])
  })

  it('refuse guidance below 2 (phoenix)', async () => {
    const { run } = await open()
    expect((await errorOf(await run(phoenix, { prompt: 'a fox', guidance: 1 }))).slice(0, 2)).toEqual([400, 5006])
  })

  it('accept only forms (FLUX.2)', async () => {
    const { run, runForm } = await open()
    const message = "AiError: Bad input: required properties at '/' are 'multipart' (id)"
    expect(await errorOf(await run(klein, { prompt: 'a fox' }))).toEqual([400, 5006, message])
    expect(await sizeOf(await runForm(dev, { prompt: 'a fox', width: '1344', height: '576', guidance: '3.5' }))).toBe(
      '1344x576 png',
    )
    expect((await errorOf(await runForm(dev, { prompt: 'a fox', width: '2000' })))[1]).toBe(5006)
    expect((await errorOf(await runForm(dev, { prompt: 'a fox', width: 'wide' })))[1]).toBe(5006)
  })

  it('round sides down to multiples of 16 (klein)', async () => {
    const { runForm } = await open()
    expect(await sizeOf(await runForm(klein, { prompt: 'a fox', width: '1080', height: '1080' }))).toBe(
      '1072x1072 jpeg',
    )
  })

  it('accept input pictures of up to 512 pixels a side', async () => {
    const { emulator, runForm } = await open()
    const small = await runForm(klein, { prompt: 'at night', input_image_0: await blob(512, 384) })
    expect(await sizeOf(small)).toBe('1024x1024 jpeg')
    const large = await runForm(klein, { prompt: 'at night', input_image_0: await blob(640, 384) })
    expect((await errorOf(large)).slice(0, 2)).toEqual([400, 5006])
    const invalid = await runForm(klein, { prompt: 'at night', input_image_0: new Blob(['text']) })
    expect((await errorOf(invalid)).slice(0, 2)).toEqual([400, 5006])
    const text = await runForm(klein, { prompt: 'at night', input_image_0: 'https://example.com/a.png' })
    expect((await errorOf(text)).slice(0, 2)).toEqual([400, 5006])
    const fifth = await runForm(klein, { prompt: 'at night', input_image_4: await blob(16, 16) })
    expect((await errorOf(fifth)).slice(0, 2)).toEqual([400, 5006])
    expect(emulator.accepted()).toBe(1)
  })
})

describe('the emulator of Workers AI', () => {
  it.each([
    [undefined, [400, 8007]],
    [3030, [400, 3030]],
    ['words', [400, 3999]],
  ] as const)('refuses content with the code %s', async (nsfwCode, expected) => {
    const { emulator, run } = await open({ nsfwCode })
    const [status, code, message] = await errorOf(await run(schnell, { prompt: 'something NSFW' }))
    expect([status, code]).toEqual(expected)
    expect(message).toBe('AiError: AiError: Input prompt contains NSFW content. (id)')
    expect(emulator.accepted()).toBe(0)
  })

  it('refuses unknown keys, accounts and models', async () => {
    const { emulator, get, run } = await open()
    const wrong = { authorization: 'Bearer something else' }
    const list = '/ai/models/search?search=flux'
    expect(await errorOf(await get(`${emulator.baseUrl}${list}`, wrong))).toEqual([401, 10000, 'Authentication error'])
    const other = emulator.baseUrl.replace(emulator.account, 'f'.repeat(32))
    expect((await errorOf(await get(other + list))).slice(0, 2)).toEqual([404, 7003])
    expect((await errorOf(await run('@cf/unknown/model', { prompt: 'a fox' }))).slice(0, 2)).toEqual([400, 5007])
    expect(((await envelope(await get(emulator.baseUrl + list))).result as unknown[]).length).toBe(4)
  })

  it('verifies user keys and account keys at different addresses', async () => {
    const user = await open()
    const api = user.emulator.baseUrl.replace(/\/accounts.*/, '')
    const verified = await envelope(await user.get(`${api}/user/tokens/verify`))
    expect(verified.result).toMatchObject({ status: 'active' })
    expect((await user.get(`${user.emulator.baseUrl}/tokens/verify`)).status).toBe(401)
    user.emulator.setTokenStatus('expired')
    expect((await envelope(await user.get(`${api}/user/tokens/verify`))).result).toMatchObject({ status: 'expired' })
    const account = await open({ token: 'cfat_1234567890' })
    expect((await account.get(`${account.emulator.baseUrl}/tokens/verify`)).status).toBe(200)
  })

  it('refuses every run with a chosen code, also with status 200', async () => {
    const { emulator, run } = await open()
    for (const [code, status] of [
      [3036, 429],
      [3040, 429],
      [3007, 408],
      [3041, 403],
    ] as const) {
      emulator.refuse(code)
      expect((await errorOf(await run(schnell, { prompt: 'a fox' }))).slice(0, 2)).toEqual([status, code])
    }
    emulator.failWithOk(true)
    expect((await errorOf(await run(schnell, { prompt: 'a fox' }))).slice(0, 2)).toEqual([200, 3041])
    emulator.refuse(undefined)
    expect((await run(schnell, { prompt: 'a fox' })).status).toBe(200)
    expect(emulator.accepted()).toBe(1)
  })
})

describe('the emulated gateway', () => {
  it('runs models with and without /run/ in the address', async () => {
    const { emulator, run } = await open()
    expect(await sizeOf(await run(schnell, { prompt: 'a fox' }, emulator.gatewayUrl))).toBe('1024x1024 jpeg')
    expect(await sizeOf(await run(schnell, { prompt: 'a fox' }, `${emulator.gatewayUrl}/run`))).toBe('1024x1024 jpeg')
  })

  it('requires its own key and has its own error form', async () => {
    const { emulator, run } = await open({ gatewayToken: 'gateway key' })
    const refused = await run(schnell, { prompt: 'a fox' }, emulator.gatewayUrl)
    expect(await errorOf(refused)).toEqual([401, 2009, 'Unauthorized'])
  })
})
