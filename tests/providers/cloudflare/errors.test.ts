import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/core/errors.ts'
import { failure } from '../../contracts/provider.ts'
import { startServer } from '../../emulators/server.ts'
import { cloudflareFixture, cloudflareTask } from '../../helpers/providers/cloudflare.ts'

const { open, create, afterwards } = cloudflareFixture()
const never = new AbortController().signal
const fox = () => cloudflareTask('cf-schnell', { prompt: 'a fox' })

describe('an error of Cloudflare', () => {
  it.each([8007, 3030, 'words'] as const)(
    'is moderated when its message names refused content, with code %s',
    async (nsfwCode) => {
      const { provider } = await open({ nsfwCode })
      const error = await failure(provider.start(cloudflareTask('cf-schnell', { prompt: 'nsfw' }), never))
      expect(error).toMatchObject({ kind: 'moderated', neverRan: true, retry: false })
    },
  )

  const error = (status: number, code: number, message: string, headers = {}) => ({ status, code, message, headers })

  it.each([
    [error(400, 8007, 'AiError: AiError: {"message":"steps is too large","code":400} (x)'), 'provider_refused', true],
    [error(400, 8007, ''), 'moderated', true],
    [error(400, 3030, 'AiError: 3030: Your output has been flagged. Please choose another prompt'), 'moderated', false],
    [error(429, 3036, 'AiError: used up'), 'provider_quota', true],
    [error(429, 4006, 'you have used up your daily free allocation of 10,000 neurons'), 'provider_quota', true],
    [error(429, 3040, 'AiError: No more capacity'), 'provider_busy', true],
    [error(429, 971, 'Please wait'), 'provider_busy', true],
    [error(408, 3007, 'AiError: timeout'), 'provider_timeout', false],
    [error(408, 3008, 'AiError: aborted'), 'provider_timeout', false],
    [error(408, 1, 'late'), 'provider_timeout', false],
    [error(400, 5006, 'AiError: Bad input'), 'provider_refused', true],
    [error(400, 5004, 'AiError: base64'), 'provider_refused', true],
    [error(400, 5007, 'AiError: No such model'), 'provider_refused', true],
    [error(404, 3042, 'AiError: Invalid model'), 'provider_refused', true],
    [error(404, 7003, 'Could not route'), 'provider_account', true],
    [error(401, 10000, 'Authentication error'), 'provider_account', true],
    [error(403, 9109, 'Invalid access token'), 'provider_account', true],
    [error(403, 3041, 'blocked'), 'provider_account', true],
    [error(403, 5016, 'agreement'), 'provider_account', true],
    [error(402, 99, 'pay'), 'provider_account', true],
    [error(500, 3043, 'AiError: Internal server error'), 'provider_failed', false],
    [error(503, 99, 'Unavailable'), 'provider_busy', false],
    [error(524, 99, 'A timeout occurred'), 'provider_failed', false],
    [error(200, 3036, 'AiError: used up'), 'provider_quota', true],
    [error(200, 99, 'AiError: who knows'), 'provider_failed', false],
  ])('%j is %s', async ({ status, code, message, headers }, kind, neverRan) => {
    const { emulator, provider } = await open()
    await emulator.stop()
    const body = JSON.stringify({ result: null, success: false, errors: [{ code, message }], messages: [] })
    const other = await replaceServer(emulator.baseUrl, { status, headers, body })
    const thrown = await failure(provider.start(fox(), never))
    expect(thrown).toMatchObject({ kind, neverRan })
    expect(other.requests).toHaveLength(1)
  })

  it('carries the pause that Cloudflare asks for', async () => {
    const { emulator, provider } = await open()
    emulator.faults.add({ kind: '429', retryAfterSeconds: 7 })
    const error = await failure(provider.start(fox(), never))
    expect(error).toMatchObject({ kind: 'provider_busy', retryAfterMs: 7000, neverRan: true })
  })

  it('has the message as its reason, without ids, prefixes, queries and the key', async () => {
    const { emulator, provider } = await open()
    await emulator.stop()
    const message = `AiError: AiError: Error: Bad   input: see https://example.com/a?sig=1 for ${emulator.token} (0f8fad5b-d9cb-469f-a165-70867728950e)`
    const body = JSON.stringify({ success: false, errors: [{ code: 5006, message: message + 'x'.repeat(900) }] })
    await replaceServer(emulator.baseUrl, { status: 400, headers: {}, body })
    const error = await failure(provider.start(fox(), never))
    expect(error.kind).toBe('provider_refused')
    expect(error.data.reason).toMatch(/^Bad input: see https:\/\/example.com\/a for … x+$/)
    expect(String(error.data.reason)).toHaveLength(300)
    expect(inspect(error, { depth: 9 })).not.toContain(emulator.token)
  })

  it('is parsed in the form of a gateway', async () => {
    const { emulator } = await open()
    const provider = create({ baseUrl: emulator.gatewayUrl, key: emulator.token })
    emulator.refuse(2016)
    expect(await failure(provider.start(fox(), never))).toMatchObject({ kind: 'moderated', neverRan: true })
    emulator.refuse(2017)
    expect(await failure(provider.start(fox(), never))).toMatchObject({ kind: 'moderated', neverRan: false })
    const other = create({ baseUrl: emulator.gatewayUrl.replace(emulator.account, 'unknown'), key: emulator.token })
    expect(await failure(other.start(fox(), never))).toMatchObject({ kind: 'provider_account', neverRan: true })
  })
})

describe('a run whose response is lost', () => {
  it.each(['dropAfter', 'cutOff', 'truncated', 'garbage', 'wrongType', 'empty', 'gzipBomb', '502html'] as const)(
    'is not repeated and may have run: %s',
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
    'times out after the time limit of a generation: %s',
    async (kind) => {
      const { emulator, provider } = await open({}, { timeoutMs: 300 })
      emulator.faults.add({ kind })
      expect(await failure(provider.start(fox(), never))).toMatchObject({ kind: 'provider_timeout', neverRan: false })
      expect(emulator.requests).toHaveLength(1)
    },
  )

  it('ends when the signal aborts', async () => {
    const { emulator, provider } = await open()
    emulator.faults.add({ kind: 'hang' })
    const controller = new AbortController()
    const work = provider.start(fox(), controller.signal)
    await expect.poll(() => emulator.requests.length).toBe(1)
    controller.abort(new AppError('cancelled'))
    expect((await failure(work)).kind).toBe('cancelled')
  })

  it('never ran when no server is listening', async () => {
    const { emulator, provider } = await open()
    await emulator.stop()
    expect(await failure(provider.start(fox(), never))).toMatchObject({ kind: 'provider_failed', neverRan: true })
  })
})

describe('the test of address and key', () => {
  it.each(['cf-token-of-a-person', 'cfat_token_of_an_account'])(
    'passes with a valid key at no cost: %s',
    async (token) => {
      const { emulator, provider } = await open({ token })
      await provider.test?.(never)
      expect(emulator.requests.map((each) => each.method)).toEqual(['GET', 'GET'])
      expect(emulator.requests.map((each) => each.status)).toEqual([200, 200])
    },
  )

  it.each([
    ['a user that looks like one of an account', { token: 'cfat_of_a_person', accountPrefix: 'acct_' }],
    ['an account that looks like one of a user', { token: 'acct_of_an_account', accountPrefix: 'acct_' }],
  ])('passes with a key of %s', async (_, options) => {
    const { emulator, provider } = await open(options)
    await provider.test?.(never)
    expect(emulator.requests.map((each) => each.status)).toEqual([401, 200, 200])
    expect(new Set(emulator.requests.map((each) => each.path)).size).toBe(3)
  })

  it('fails with a wrong key, a wrong account and an expired key', async () => {
    const { emulator, provider } = await open()
    const wrong = create({ baseUrl: emulator.baseUrl, key: 'cf-another-key-123' })
    const other = create({ baseUrl: emulator.baseUrl.replace(emulator.account, 'unknown'), key: emulator.token })
    for (const each of [wrong, other]) expect((await failure(each.test!(never))).kind).toBe('provider_account')
    emulator.setTokenStatus('expired')
    const expired = await failure(provider.test!(never))
    expect([expired.kind, expired.data.reason]).toEqual(['provider_account', 'token expired'])
  })

  it('runs a model without a prompt at a gateway, which is free', async () => {
    const { emulator } = await open()
    const provider = create({ baseUrl: emulator.gatewayUrl, key: emulator.token })
    await provider.test?.(never)
    expect(emulator.requests.map((each) => each.body.toString())).toEqual(['{}'])
    expect(emulator.accepted()).toBe(0)
    const wrong = create({ baseUrl: emulator.gatewayUrl, key: 'cf-another-key-123' })
    expect((await failure(wrong.test!(never))).kind).toBe('provider_account')
  })

  it('fails with an AppError when the responses are not from Cloudflare', async () => {
    const { emulator, provider } = await open()
    for (const kind of ['garbage', 'wrongType', 'empty', '502html', 'redirect', 'dropBefore'] as const) {
      emulator.faults.add({ kind, times: 1, location: 'http://127.0.0.1:9/' })
      expect(['bad_result', 'provider_failed']).toContain((await failure(provider.test!(never))).kind)
    }
  })
})

/** Starts a server at the address of a stopped emulator that sends the same response to every request. */
async function replaceServer(baseUrl: string, sent: { status: number; headers: Record<string, string>; body: string }) {
  const headers = { 'content-type': 'application/json', ...sent.headers }
  const server = await startServer({ port: Number(new URL(baseUrl).port), handle: async () => ({ ...sent, headers }) })
  afterwards(server.stop)
  return server
}
