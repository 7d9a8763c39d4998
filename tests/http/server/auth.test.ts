import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AppError } from '../../../src/core/errors.ts'
import { forgetOldWrongKeys, type SharedTries, shareTries } from '../../../src/core/programs/wrong-keys.ts'
import { wrongKeys } from '../../../src/db/schema/operation.ts'
import { createMetrics, metricsPage } from '../../../src/http/operations/metrics.ts'
import { createApp } from '../../../src/http/server/app.ts'
import { createOperatorKeyGuard } from '../../../src/http/server/auth.ts'
import { createHttp } from '../../../src/http/server/http.ts'
import { quickest } from '../../helpers/backends.ts'
import { openTestCore, type TestCore } from '../../helpers/core.ts'
import { openEverything, type Service } from '../api/service.ts'

const right = 'the-operator-s-own-key'
/** The database does not answer. */
const alone: SharedTries = { count: async () => undefined, trust: async () => undefined }

describe('API_KEY', () => {
  it('cannot be guessed from one address, while other addresses are served', () => {
    const guard = createOperatorKeyGuard(right, alone)
    for (let at = 0; at < 20; at++) expect(guard.accepts(`guess ${at}`, '192.0.2.1')).toBe(false)
    for (const key of ['one more', right]) {
      expect(() => guard.accepts(key, '192.0.2.1')).toThrow(
        expect.objectContaining({ kind: 'too_many_wrong_keys', retryAfterMs: expect.any(Number) }),
      )
    }
    expect(guard.accepts(right, '192.0.2.2')).toBe(true)
  })

  it('cannot be guessed from the addresses of one network', () => {
    const guard = createOperatorKeyGuard(right, alone)
    for (let at = 0; at < 20; at++) guard.accepts(`guess ${at}`, `2001:db8::${at.toString(16)}`)
    expect(() => guard.accepts(right, '2001:db8::ffff')).toThrow('too_many_wrong_keys')
    expect(guard.accepts(right, '2001:db8:0:1::1')).toBe(true)
    for (let at = 0; at < 20; at++) guard.accepts(`guess ${at}`, '::ffff:192.0.2.1')
    expect(() => guard.accepts(right, '192.0.2.1')).toThrow('too_many_wrong_keys')
  })

  it('is accepted from a trusted address, however many wrong keys come from there', () => {
    const guard = createOperatorKeyGuard(right, alone)
    expect(guard.accepts(right, '192.0.2.1')).toBe(true)
    for (let at = 0; at < 100; at++) expect(guard.accepts(`guess ${at}`, '192.0.2.1')).toBe(false)
    expect(guard.accepts(right, '192.0.2.1')).toBe(true)
  })
})

describe('wrong keys', () => {
  let service: Service
  let test: TestCore
  beforeAll(async () => {
    service = await openEverything()
    test = await openTestCore(quickest)
  })
  afterAll(async () => {
    expect(await service.close()).toEqual([])
    await test.close()
  })

  it.each([
    ['/v1/models', { error: { type: 'rate_limit_error', code: 'rate_limit_exceeded' } }],
    ['/api/v1/flux/models', { success: false, error: { code: 'too_many_wrong_keys' } }],
    ['/queue', { error: expect.stringContaining('wrong API keys') }],
    ['/api/status', { success: false, code: 'too_many_wrong_keys' }],
  ])(
    'from one address are refused after a while in the format of %s, while personal keys are accepted',
    async (url, body) => {
      const ask = (key: string) =>
        service.app.inject({ url, remoteAddress: `192.0.2.${url.length}`, headers: { authorization: `Bearer ${key}` } })
      // concurrent requests: each is counted before the next is compared
      const answers = await Promise.all(Array.from({ length: 40 }, (_, at) => ask(`guess-${at}`)))
      expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([
        ...Array(20).fill(401),
        ...Array(20).fill(429),
      ])
      const refused = await ask(service.operatorKey)
      expect(refused.statusCode).toBe(429)
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
      expect(refused.json()).toMatchObject(body)
      expect((await ask(await service.keyWith(0))).statusCode).toBe(200)
    },
  )

  it('are counted for all processes together, and so is the trust in an address', async () => {
    const shared = shareTries(test.core, 'api')
    const [one, other] = [createOperatorKeyGuard(right, shared), createOperatorKeyGuard(right, shared)]
    const attempt = (key: string, address: string) => {
      try {
        return other.accepts(key, address)
      } catch (error) {
        return (error as AppError).kind
      }
    }
    for (let at = 0; at < 20; at++) one.accepts(`guess ${at}`, '198.51.100.1')
    const stored = async () => (await test.core.database.db.select().from(wrongKeys)).map(({ tries }) => tries)
    await expect.poll(stored).toEqual([20])
    expect(attempt('a guess', '198.51.100.1')).toBe(false)
    await expect.poll(() => attempt('a guess', '198.51.100.1')).toBe('too_many_wrong_keys')
    expect((await stored())[0]).toBeLessThan(40)
    expect(attempt(right, '198.51.100.1')).toBe('too_many_wrong_keys')
    expect(attempt(right, '198.51.100.2')).toBe(true)
    expect(one.accepts(right, '198.51.100.3')).toBe(true)
    await expect.poll(async () => (await stored()).length).toBe(3)
    for (let at = 0; at < 20; at++) attempt(`guess ${at}`, '198.51.100.3')
    await expect.poll(() => attempt('a guess', '198.51.100.3')).toBe(false)
    await expect.poll(async () => (await stored()).filter((tries) => tries >= 20)).toHaveLength(2)
    // tries for the page are others
    expect(await shareTries(test.core, 'page').count('198.51.100.1')).toMatchObject({ tries: 1, trusted: false })
    await test.core.database.rows(sql`update wrong_keys set ends_at = now(), trusted_until = null`)
    await forgetOldWrongKeys(test.core.database)
    expect(await stored()).toEqual([])
  })

  it('are refused by /metrics as well', async () => {
    const page = metricsPage({
      http: createHttp(test.core, { operatorKey: right }),
      metrics: createMetrics(),
      publicUrl: 'http://localhost:8080',
    })
    const app = createApp({ log: test.core.log, plugins: [page] })
    const ask = (key: string) => app.inject({ url: '/metrics', headers: { 'x-api-key': key } })
    for (let at = 0; at < 20; at++) expect((await ask(`guess-${at}`)).statusCode).toBe(401)
    const refused = await ask(right)
    expect(refused.statusCode).toBe(429)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  })
})
