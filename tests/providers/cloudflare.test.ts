import { inspect } from 'node:util'
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../src/core/errors.ts'
import type { ImageFile } from '../../src/core/ports/images.ts'
import type { ImageProvider, Task } from '../../src/core/ports/providers.ts'
import { createLog } from '../../src/log.ts'
import { cloudflare } from '../../src/providers/cloudflare/cloudflare.ts'
import { type CloudflareOptions, startCloudflare } from '../emulators/cloudflare/index.ts'
import { picture, wrongPictures } from '../emulators/pictures.ts'
import { startServer } from '../emulators/server.ts'
import { cloudflareTask } from '../helpers/providers/cloudflare.ts'

const stops: (() => Promise<void> | undefined)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

interface Settings {
  baseUrl?: string
  key?: string
  timeoutMs?: number
  steps?: number
}

async function open(options: CloudflareOptions = {}, settings: Settings = {}) {
  const emulator = await startCloudflare(options)
  stops.push(emulator.stop)
  const provider = create({ baseUrl: emulator.baseUrl, key: emulator.token, ...settings })
  return { emulator, provider, start: (task: Task) => start(provider, task) }
}

function create(settings: Settings): ImageProvider {
  const all = { baseUrl: '', timeoutMs: 30_000, concurrency: 5, ...settings }
  const provider = cloudflare.create(all, { log: createLog('silent') })
  stops.unshift(() => provider.close?.())
  return provider
}

const never = new AbortController().signal
const fox = () => cloudflareTask('cf-schnell', { prompt: 'a fox' })

async function start(provider: ImageProvider, task: Task): Promise<string> {
  const progress = await provider.start(task, never)
  if (progress.state !== 'done') throw new Error(progress.state)
  expect(progress.images).toHaveLength(1)
  const { width, height, format } = await sharp(progress.images[0]).metadata()
  return `${width}x${height} ${format}`
}

async function failure(work: Promise<unknown> | undefined): Promise<AppError> {
  const error = await (work ?? Promise.resolve()).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(AppError)
  return error as AppError
}

async function input(width: number, height: number, type: 'png' | 'jpeg' | 'webp'): Promise<ImageFile> {
  return { data: await picture(width, height, type), type: `image/${type}`, width, height }
}

describe('what is sent', () => {
  it('is words and steps for schnell, whatever else the route made, and the key in its header', async () => {
    const { emulator, start } = await open()
    const task = { ...fox(), input: { prompt: 'a fox', steps: 2, seed: 7, width: 512 } }
    expect(await start(task)).toBe('1024x1024 jpeg')
    expect(emulator.requests).toHaveLength(1)
    const [{ headers, path, body }] = emulator.requests as [(typeof emulator.requests)[number]]
    expect(path).toBe(`/client/v4/accounts/${emulator.account}/ai/run/@cf/black-forest-labs/flux-1-schnell`)
    expect(headers.authorization).toBe(`Bearer ${emulator.token}`)
    expect(headers).not.toHaveProperty('cf-aig-authorization')
    expect(JSON.parse(body.toString())).toEqual({ prompt: 'a fox', steps: 2 })
  })

  it.each([
    [undefined, undefined, undefined],
    [6, undefined, 6],
    [6, 1, 1],
    [20, undefined, 8],
  ])(
    'is the configured number of steps (%s) for schnell unless the request says one (%s): %s',
    async (steps, asked, sent) => {
      const { emulator, start } = await open({}, { steps })
      await start(cloudflareTask('cf-schnell', { prompt: 'a fox', steps: asked }))
      expect(emulator.inputs[0]?.input.steps).toBe(sent)
    },
  )

  it('is the configured number of steps for no other model', async () => {
    const { emulator, start } = await open({}, { steps: 6 })
    await start(cloudflareTask('cf-lucid', { prompt: 'a fox' }))
    await start(cloudflareTask('cf-flux-2-dev', { prompt: 'a fox' }))
    expect(emulator.inputs.map((each) => each.input)).toEqual([
      { prompt: 'a fox', width: 1024, height: 1024 },
      { prompt: 'a fox', width: 1024, height: 1024 },
    ])
  })

  it('is a form for FLUX.2 even without pictures', async () => {
    const { emulator, start } = await open()
    const params = {
      prompt: 'a "fox"\r\nin snow 狐',
      width: 1344,
      height: 576,
      steps: 12,
      guidance: 3.5,
      seed: '4294967295',
    }
    expect(await start(cloudflareTask('cf-flux-2-dev', params))).toBe('1344x576 png')
    expect(emulator.requests[0]?.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
    expect(emulator.inputs[0]?.input).toEqual({ ...params, seed: 4294967295 })
  })

  it('has input pictures in their order, shrunk to 512 pixels a side and never enlarged', async () => {
    const { emulator, start } = await open()
    const images = [await input(2048, 1024, 'jpeg'), await input(300, 200, 'webp'), await input(512, 1536, 'png')]
    expect(await start(cloudflareTask('cf-flux-2-klein', { prompt: 'all of them' }, images))).toBe('1024x1024 jpeg')
    const { prompt, width, height, ...files } = emulator.inputs[0]?.input ?? {}
    expect([prompt, width, height]).toEqual(['all of them', 1024, 1024])
    const sizes = await Promise.all(
      Object.entries(files).map(async ([name, bytes]) => {
        const { width, height, format } = await sharp(bytes as Buffer).metadata()
        return `${name} ${width}x${height} ${format}`
      }),
    )
    expect(sizes).toEqual(['input_image_0 512x256 png', 'input_image_1 300x200 png', 'input_image_2 171x512 png'])
  })

  it('is nothing at all when an input picture cannot be read', async () => {
    const { emulator, provider } = await open()
    const broken = { ...(await input(600, 600, 'png')), data: await wrongPictures.text() }
    const task = cloudflareTask('cf-flux-2-klein', { prompt: 'at night' }, [broken])
    expect(await failure(provider.start(task, never))).toMatchObject({ kind: 'image_unreadable', neverRan: true })
    expect(emulator.requests).toHaveLength(0)
  })

  it.each(['', '/run'])(
    'goes through a gateway whose address ends with /workers-ai%s, with its key twice',
    async (end) => {
      const { emulator } = await open({ gatewayToken: 'cf-gateway-key-91', token: 'cf-gateway-key-91' })
      const provider = create({ baseUrl: emulator.gatewayUrl + end, key: emulator.token })
      expect(await start(provider, fox())).toBe('1024x1024 jpeg')
      expect(emulator.requests[0]?.path).toBe(
        `/v1/${emulator.account}/pictures/workers-ai${end}/@cf/black-forest-labs/flux-1-schnell`,
      )
    },
  )
})

describe('the picture', () => {
  it.each(['result', 'nested', 'data URL'] as const)('is found in the %s', async (imageIn) => {
    const { start } = await open({ imageIn })
    expect(await start(fox())).toBe('1024x1024 jpeg')
  })

  it('is the body itself where a model answers with bytes', async () => {
    const { start } = await open()
    expect(await start(cloudflareTask('cf-phoenix', { prompt: 'a fox', width: 768, height: 512 }))).toBe('768x512 jpeg')
  })

  it.each(['application/json', 'application/octet-stream', 'image/png'])(
    'is known by its first bytes under the type %s',
    async (type) => {
      const { emulator, start } = await open()
      emulator.faults.add({ kind: 'replace', type, body: await picture(64, 32, 'webp') })
      expect(await start(fox())).toBe('64x32 webp')
    },
  )

  it.each(['svg', 'text', 'empty'] as const)('is refused when it is none: %s', async (kind) => {
    for (const model of ['cf-schnell', 'cf-phoenix']) {
      const { provider } = await open({ picture: wrongPictures[kind] })
      const error = await failure(provider.start(cloudflareTask(model, { prompt: 'a fox' }), never))
      expect(error).toMatchObject({ kind: 'bad_result', neverRan: false })
    }
  })
})

describe('refusals', () => {
  it.each([8007, 3030, 'words'] as const)('of content are known by their words, with code %s', async (nsfwCode) => {
    const { provider } = await open({ nsfwCode })
    const error = await failure(provider.start(cloudflareTask('cf-schnell', { prompt: 'nsfw' }), never))
    expect(error).toMatchObject({ kind: 'moderated', neverRan: true, retry: false })
  })

  const answer = (status: number, code: number, message: string, headers = {}) => ({ status, code, message, headers })

  it.each([
    [answer(400, 8007, 'AiError: AiError: {"message":"steps is too large","code":400} (x)'), 'provider_refused', true],
    [answer(400, 8007, ''), 'moderated', true],
    [
      answer(400, 3030, 'AiError: 3030: Your output has been flagged. Please choose another prompt'),
      'moderated',
      false,
    ],
    [answer(429, 3036, 'AiError: used up'), 'provider_quota', true],
    [answer(429, 4006, 'you have used up your daily free allocation of 10,000 neurons'), 'provider_quota', true],
    [answer(429, 3040, 'AiError: No more capacity'), 'provider_busy', true],
    [answer(429, 971, 'Please wait'), 'provider_busy', true],
    [answer(408, 3007, 'AiError: timeout'), 'provider_timeout', false],
    [answer(408, 3008, 'AiError: aborted'), 'provider_timeout', false],
    [answer(408, 1, 'late'), 'provider_timeout', false],
    [answer(400, 5006, 'AiError: Bad input'), 'provider_refused', true],
    [answer(400, 5004, 'AiError: base64'), 'provider_refused', true],
    [answer(400, 5007, 'AiError: No such model'), 'provider_refused', true],
    [answer(404, 3042, 'AiError: Invalid model'), 'provider_refused', true],
    [answer(404, 7003, 'Could not route'), 'provider_account', true],
    [answer(401, 10000, 'Authentication error'), 'provider_account', true],
    [answer(403, 9109, 'Invalid access token'), 'provider_account', true],
    [answer(403, 3041, 'blocked'), 'provider_account', true],
    [answer(403, 5016, 'agreement'), 'provider_account', true],
    [answer(402, 99, 'pay'), 'provider_account', true],
    [answer(500, 3043, 'AiError: Internal server error'), 'provider_failed', false],
    [answer(503, 99, 'Unavailable'), 'provider_busy', false],
    [answer(524, 99, 'A timeout occurred'), 'provider_failed', false],
    [answer(200, 3036, 'AiError: used up'), 'provider_quota', true],
    [answer(200, 99, 'AiError: who knows'), 'provider_failed', false],
  ])('by the table: %j is %s', async ({ status, code, message, headers }, kind, neverRan) => {
    const { emulator, provider } = await open()
    await emulator.stop()
    const body = JSON.stringify({ result: null, success: false, errors: [{ code, message }], messages: [] })
    const other = await answering(emulator.baseUrl, { status, headers, body })
    const error = await failure(provider.start(fox(), never))
    expect(error).toMatchObject({ kind, neverRan })
    expect(other.asked()).toBe(1)
  })

  it('carry the pause that was asked for', async () => {
    const { emulator, provider } = await open()
    emulator.faults.add({ kind: '429', retryAfterSeconds: 7 })
    const error = await failure(provider.start(fox(), never))
    expect(error).toMatchObject({ kind: 'provider_busy', retryAfterMs: 7000, neverRan: true })
  })

  it('carry the own words of the service without ids, prefixes, queries and the key', async () => {
    const { emulator, provider } = await open()
    await emulator.stop()
    const message = `AiError: AiError: Error: Bad   input: see https://example.com/a?sig=1 for ${emulator.token} (0f8fad5b-d9cb-469f-a165-70867728950e)`
    const body = JSON.stringify({ success: false, errors: [{ code: 5006, message: message + 'x'.repeat(900) }] })
    await answering(emulator.baseUrl, { status: 400, headers: {}, body })
    const error = await failure(provider.start(fox(), never))
    expect(error.kind).toBe('provider_refused')
    expect(error.data.reason).toMatch(/^Bad input: see https:\/\/example.com\/a for … x+$/)
    expect(String(error.data.reason)).toHaveLength(300)
    expect(inspect(error, { depth: 9 })).not.toContain(emulator.token)
  })

  it('of a gateway are understood in its own shape', async () => {
    const { emulator } = await open()
    const provider = create({ baseUrl: emulator.gatewayUrl, key: emulator.token })
    emulator.refuse(2016)
    expect(await failure(provider.start(fox(), never))).toMatchObject({ kind: 'moderated', neverRan: true })
    emulator.refuse(2017)
    expect(await failure(provider.start(fox(), never))).toMatchObject({ kind: 'moderated', neverRan: false })
    const stranger = create({ baseUrl: emulator.gatewayUrl.replace(emulator.account, 'nobody'), key: emulator.token })
    expect(await failure(stranger.start(fox(), never))).toMatchObject({ kind: 'provider_account', neverRan: true })
  })
})

describe('a run whose answer is lost', () => {
  it.each(['dropAfter', 'cutOff', 'truncated', 'garbage', 'wrongType', 'empty', 'gzipBomb', '502html'] as const)(
    'is asked for once and may have been paid for: %s',
    async (kind) => {
      const { emulator, provider } = await open()
      emulator.faults.add({ kind, times: 1 })
      const error = await failure(provider.start(fox(), never))
      expect(error.neverRan).toBe(false)
      expect(['bad_result', 'provider_failed']).toContain(error.kind)
      expect(emulator.requests).toHaveLength(1)
      expect(inspect(error, { depth: 9 })).not.toContain(emulator.token)
    },
  )

  it.each(['hang', 'slowLoris', 'hugeLength'] as const)(
    'is given up after the time for one generation: %s',
    async (kind) => {
      const { emulator, provider } = await open({}, { timeoutMs: 300 })
      emulator.faults.add({ kind })
      expect(await failure(provider.start(fox(), never))).toMatchObject({ kind: 'provider_timeout', neverRan: false })
      expect(emulator.requests).toHaveLength(1)
    },
  )

  it('ends with the generation', async () => {
    const { emulator, provider } = await open()
    emulator.faults.add({ kind: 'hang' })
    const over = new AbortController()
    const work = provider.start(fox(), over.signal)
    await expect.poll(() => emulator.requests.length).toBe(1)
    over.abort(new AppError('cancelled'))
    expect((await failure(work)).kind).toBe('cancelled')
  })

  it('never began where nobody listens', async () => {
    const { emulator, provider } = await open()
    await emulator.stop()
    expect(await failure(provider.start(fox(), never))).toMatchObject({ kind: 'provider_failed', neverRan: true })
  })
})

describe('the test of a configuration', () => {
  it.each(['cf-token-of-a-person', 'cfat_token_of_an_account'])(
    'passes with the right key, at no cost: %s',
    async (token) => {
      const { emulator, provider } = await open({ token })
      await provider.test?.(never)
      expect(emulator.requests.map((each) => each.method)).toEqual(['GET', 'GET'])
      expect(emulator.requests.map((each) => each.status)).toEqual([200, 200])
    },
  )

  it.each([
    ['a person, though it looks like an account', { token: 'cfat_of_a_person', accountPrefix: 'acct_' }],
    ['an account, though it looks like a person', { token: 'acct_of_an_account', accountPrefix: 'acct_' }],
  ])('passes with a key of %s', async (_, options) => {
    const { emulator, provider } = await open(options)
    await provider.test?.(never)
    expect(emulator.requests.map((each) => each.status)).toEqual([401, 200, 200])
    expect(new Set(emulator.requests.map((each) => each.path)).size).toBe(3)
  })

  it('fails with a wrong key, a wrong account and a key that is no longer active', async () => {
    const { emulator, provider } = await open()
    const wrong = create({ baseUrl: emulator.baseUrl, key: 'cf-another-key-123' })
    const stranger = create({ baseUrl: emulator.baseUrl.replace(emulator.account, 'nobody'), key: emulator.token })
    for (const each of [wrong, stranger]) expect((await failure(each.test?.(never))).kind).toBe('provider_account')
    emulator.setTokenStatus('expired')
    const expired = await failure(provider.test?.(never))
    expect([expired.kind, expired.data.reason]).toEqual(['provider_account', 'token expired'])
  })

  it('asks a gateway for a picture of nothing', async () => {
    const { emulator } = await open()
    const provider = create({ baseUrl: emulator.gatewayUrl, key: emulator.token })
    await provider.test?.(never)
    expect(emulator.requests.map((each) => each.body.toString())).toEqual(['{}'])
    expect(emulator.accepted()).toBe(0)
    const wrong = create({ baseUrl: emulator.gatewayUrl, key: 'cf-another-key-123' })
    expect((await failure(wrong.test?.(never))).kind).toBe('provider_account')
  })

  it('fails with an AppError when something else answers', async () => {
    const { emulator, provider } = await open()
    for (const kind of ['garbage', 'wrongType', 'empty', '502html', 'redirect', 'dropBefore'] as const) {
      emulator.faults.add({ kind, times: 1, location: 'http://127.0.0.1:9/' })
      expect(['bad_result', 'provider_failed']).toContain((await failure(provider.test?.(never))).kind)
    }
  })
})

/** A server in the place of the emulator that gives one answer only. */
async function answering(baseUrl: string, sent: { status: number; headers: Record<string, string>; body: string }) {
  const headers = { 'content-type': 'application/json', ...sent.headers }
  const server = await startServer({ port: Number(new URL(baseUrl).port), handle: async () => ({ ...sent, headers }) })
  stops.push(server.stop)
  return { asked: () => server.requests.length }
}
