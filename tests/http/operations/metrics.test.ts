import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../src/core/accounts/api-keys.ts'
import type { Core } from '../../../src/core/core.ts'
import { AppError } from '../../../src/core/errors.ts'
import { cancel } from '../../../src/core/generation/cancel.ts'
import type { ImageProvider } from '../../../src/core/ports/providers.ts'
import type { ObjectStore } from '../../../src/core/ports/storage.ts'
import { storePictures } from '../../../src/core/worker/store-pictures.ts'
import { generations } from '../../../src/db/schema/generations.ts'
import { createMetrics, type Metrics, metricsPage } from '../../../src/http/operations/metrics.ts'
import { status } from '../../../src/http/operations/status.ts'
import { createApp } from '../../../src/http/server/app.ts'
import { createHttp } from '../../../src/http/server/http.ts'
import { quickest } from '../../helpers/backends.ts'
import { createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'

const operatorKey = 'the operator key of tests'.replaceAll(' ', '-')
const operator = { authorization: `Bearer ${operatorKey}` }
const plain = createPlain()
/** Refuses a prompt with 'refused', and never finishes one with 'slow'. */
const provider: ImageProvider = {
  ...plain,
  start: async (task, signal) => {
    const { prompt } = task.input as { prompt: string }
    if (prompt.includes('refused')) throw new AppError('provider_refused', { provider: 'sketch' })
    if (prompt.includes('slow')) {
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
    }
    return plain.start(task, signal)
  },
}

let test: TestCore
let metrics: Metrics
beforeAll(async () => {
  metrics = createMetrics()
  test = await openTestCore(quickest, { providers: [provider], meter: metrics.meter, admins: ['test:root'] })
  await test.work()
})
afterAll(() => test.close())

function openApp(): FastifyInstance {
  return createApp({
    log: test.core.log,
    plugins: [
      metricsPage({ http: createHttp(test.core, { operatorKey }), metrics, publicUrl: 'https://pictures.example.org' }),
      status({ ready: async () => ({}) }),
    ],
    countResponses: metrics.countResponses,
  })
}

/** Name and labels → value. Fails for a line that Prometheus would reject. */
function samplesOf(text: string): Map<string, number> {
  const found = new Map<string, number>()
  const line = /^([a-z_]\w*(?:\{(?:[a-z_]\w*="(?:[^"\\\n]|\\.)*",?)*\})?) (-?[\d.e+-]+|NaN|[+-]Inf)$/i
  for (const each of text.split('\n')) {
    if (each === '' || /^# (HELP|TYPE) /.test(each)) continue
    const [, name = '', value] = line.exec(each) ?? expect.fail(`not a sample: ${each}`)
    found.set(name, Number(value))
  }
  return found
}

const read = async (app: FastifyInstance) => samplesOf((await app.inject({ url: '/metrics', headers: operator })).body)

/** A request that has been waiting for so many seconds. No worker takes it up. */
async function insertWaiting(core: Core, seconds: number): Promise<{ userId: string }> {
  const userId = await accountOf(core, { id: 'test:patient', name: 'patient' })
  const soon = new Date(Date.now() + 600_000)
  await core.database.db.insert(generations).values({
    id: randomUUID(),
    userId,
    payerId: userId,
    key: randomUUID(),
    surface: 'test',
    address: 'test:1',
    locale: 'en',
    model: 'sketch',
    provider: 'sketch',
    endpoint: 'sketch',
    request: {},
    price: 1,
    priority: 1,
    wakeAt: soon,
    deadlineAt: soon,
    createdAt: new Date(Date.now() - seconds * 1000),
  })
  return { userId }
}

describe('metrics', () => {
  it('count ended generations by result, and the time of the provider', async () => {
    const app = openApp()
    await test.ended(await test.say('/flux a cat'))
    await test.ended(await test.say('/flux a cat that is refused'))
    const cancelled = await test.say('/flux a slow cat')
    const unfinished = 'fluxbot_generations_unfinished{provider="sketch",state="running"}'
    await expect.poll(async () => (await read(app)).get(unfinished)).toBe(1)
    expect((await read(app)).get('fluxbot_credits_held')).toBe(1)
    const [row] = await test.core.database.rows<{ id: string; user_id: string }>(
      sql`select id, user_id from generations where key = ${cancelled.key}`,
    )
    await cancel(test.core, row?.user_id ?? '', row?.id ?? '')
    expect(await test.ended(cancelled)).toBe('cancelled')
    const ended = (state: string, error = '') =>
      `fluxbot_generations_total{surface="test",provider="sketch",model="sketch",state="${state}",error="${error}"}`
    await expect
      .poll(async () => {
        const found = await read(app)
        return [
          found.get(ended('delivered')),
          found.get(ended('failed', 'provider_refused')),
          found.get(ended('cancelled')),
          found.get('fluxbot_provider_duration_seconds_count{provider="sketch",result="done"}'),
          found.get('fluxbot_provider_duration_seconds_count{provider="sketch",result="provider_refused"}'),
          found.get('fluxbot_generation_duration_seconds_count{provider="sketch",state="delivered"}'),
          found.get(unfinished),
          found.get('fluxbot_credits_held'),
        ]
      })
      .toEqual([1, 1, 1, 1, 1, 1, undefined, 0])
    await app.close()
  })

  it('count failed deliveries and uploads', async () => {
    const app = openApp()
    let refusals = 1
    test.chat.refuse = (reply) =>
      reply.state === 'done' && refusals-- > 0 ? new AppError('chat_unavailable') : undefined
    await test.ended(await test.say('/flux a cat that is shown late'))
    const away: ObjectStore = { ...test.core.store, put: () => Promise.reject(new Error('the disk is full')) }
    const kept = await test.core.images.keepWithThumbnail(await pngOf(64, 64), 64)
    const stored = storePictures({ ...test.core, store: away }, { id: randomUUID(), attempt: 1, searches: 0 }, [kept])
    await expect(stored).rejects.toMatchObject({ kind: 'not_stored' })
    const found = await read(app)
    expect(found.get('fluxbot_delivery_failures_total{surface="test",error="chat_unavailable"}')).toBe(1)
    expect(found.get('fluxbot_upload_failures_total')).toBe(4)
    await app.close()
  })

  it('show how long requests have been waiting, and which provider keeps failing', async () => {
    const app = openApp()
    const waiting = 'fluxbot_oldest_waiting_seconds{provider="sketch"}'
    const resting = 'fluxbot_provider_resting{provider="sketch"}'
    expect([(await read(app)).get(waiting), (await read(app)).get(resting)]).toEqual([0, 0])
    const { userId } = await insertWaiting(test.core, 90)
    const breaker = test.core.providers.get('sketch')?.breaker
    for (let n = 0; n < 5; n++) breaker?.failed(`request ${n}`)
    const found = await read(app)
    expect(found.get(waiting)).toBeGreaterThanOrEqual(90)
    expect(found.get(resting)).toBe(1)
    breaker?.succeeded()
    await test.core.database.rows(sql`delete from generations where user_id = ${userId}`)
    expect([(await read(app)).get(waiting), (await read(app)).get(resting)]).toEqual([0, 0])
    await app.close()
  })

  it('have the names that the alert rules, the dashboard and the autoscaler use', async () => {
    const app = openApp()
    const known = new Set([...(await read(app)).keys()].map((name) => name.replace(/\{.*/, '')))
    const declared = (await app.inject({ url: '/metrics', headers: operator })).body.matchAll(/^# TYPE (\S+)/gm)
    for (const [, name = ''] of declared) known.add(name)
    const users = [
      'docs/monitoring/alerts.yml',
      'docs/monitoring/grafana.json',
      'deploy/kubernetes/autoscaling/scaled-object.yaml',
    ]
    for (const file of users) {
      const text = await readFile(new URL(`../../../${file}`, import.meta.url), 'utf8')
      const names = [...new Set(text.match(/\b(?:fluxbot|process|nodejs)_[a-z_]+/g))]
      expect(names.length).toBeGreaterThan(3)
      expect(names.filter((name) => !known.has(name) && !known.has(name.replace(/_(bucket|sum|count)$/, '')))).toEqual(
        [],
      )
    }
    await app.close()
  })

  it('count responses by route instead of by URL', async () => {
    const app = openApp()
    for (const path of ['/healthz?a=1', '/healthz?a=2', '/nothing/1', '/nothing/2']) await app.inject(path)
    const found = await read(app)
    const answers = (route: string, status: number) =>
      found.get(`fluxbot_http_request_duration_seconds_count{method="GET",route="${route}",status="${status}"}`)
    expect([answers('/healthz', 200), answers('none', 404)]).toEqual([2, 2])
    expect(found.get('process_resident_memory_bytes')).toBeGreaterThan(1_000_000)
    await app.close()
  })

  it('require an admin key, also from this machine', async () => {
    const app = openApp()
    const keyFor = async (who: string) =>
      (await createApiKey(test.core, { userId: await accountOf(test.core, { id: who, name: who }), name: 'k' })).key
    const asked = async (key?: string) => {
      const headers = key ? { authorization: `Bearer ${key}` } : {}
      return (await app.inject({ url: '/metrics', headers })).statusCode
    }
    expect(await asked()).toBe(401)
    expect(await asked('wrong')).toBe(401)
    expect(await asked(await keyFor('test:ann'))).toBe(403)
    expect(await asked(await keyFor('test:root'))).toBe(200)
    expect(await asked(operatorKey)).toBe(200)
    await app.close()
  })

  it.each([
    ['pictures.example.org', 200],
    ['localhost:8080', 200],
    ['10.1.2.3:8080', 200],
    ['[fd00::1]:8080', 200],
    ['worker:8080', 200],
    ['evil.example', 403],
    ['localhost.evil.example:8080', 403],
  ])('asked for by the name %s are answered with %s', async (host, status) => {
    const app = openApp()
    expect((await app.inject({ url: '/metrics', headers: { ...operator, host } })).statusCode).toBe(status)
    await app.close()
  })
})
