import type { ServerResponse } from 'node:http'
import { sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { accountOf, readAccount } from '../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../src/core/accounts/api-keys.ts'
import { AppError } from '../../../src/core/errors.ts'
import { erase } from '../../../src/core/media/erase.ts'
import { pruneWebhooks } from '../../../src/core/programs/webhook-deliveries.ts'
import { openai } from '../../../src/http/api/openai/index.ts'
import { webhookEvent } from '../../../src/http/api/openai/webhooks.ts'
import type { ApiParts } from '../../../src/http/api/parts.ts'
import { pauseAfter } from '../../../src/http/api/webhooks/deliver.ts'
import { startWebhooks, type WebhookOptions, type Webhooks } from '../../../src/http/api/webhooks/index.ts'
import { createApp } from '../../../src/http/server/app.ts'
import { quickest } from '../../helpers/backends.ts'
import { createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { apiParts } from '../../helpers/http.ts'
import { violations } from '../../helpers/invariants.ts'
import { keepLog } from '../../helpers/log.ts'
import { type Canaries, startCanaries } from '../../net/canaries.ts'
import { createGate } from './openai/service.ts'
import { type Receiver, startReceiver } from './receiver.ts'

const operatorKey = 'the-operator-s-own-key'

/** Generates at once; 'later' waits for the gate, 'no' is refused. */
let gate = createGate()
const provider = createPlain({
  start: async ({ input }) => {
    const { prompt } = input as { prompt: string }
    if (prompt === 'no') throw new AppError('moderated')
    if (prompt === 'later') await gate.opened
    return { state: 'done', images: [await pngOf(64, 64)] }
  },
})

let test: TestCore
let app: FastifyInstance
let parts: ApiParts
let userId: string
let key: string
let receiver: Receiver
let other: Receiver
let canaries: Canaries
let names: ReadonlyMap<Receiver, string>
const log = keepLog()
const running: Webhooks[] = []

beforeAll(async () => {
  ;[receiver, other, canaries] = await Promise.all([startReceiver(), startReceiver(), startCanaries()])
  test = await openTestCore(quickest, {
    providers: [provider],
    limits: { perMinute: 10_000, inFlight: 100, welcome: 1_000 },
  })
  userId = await accountOf(test.core, { id: 'test:ann', name: 'ann' })
  key = (await createApiKey(test.core, { userId, name: 'mine' })).key
  parts = apiParts({ ...test.core, log }, { operatorKey, requestsPerMinute: 100_000 })
  app = createApp({ log, plugins: [openai(parts)] })
  // requests name public hosts, because local addresses are refused
  names = new Map([
    [receiver, 'https://receiver.example.com'],
    [other, 'https://other.example.com'],
  ])
  for (const [{ origin }, name] of names) await redirect(name, origin)
  await test.work()
})

/** Replaces the public name by the local origin when a webhook is saved. */
async function redirect(name: string, origin: string): Promise<void> {
  const { rows } = test.core.database
  const id = sql.raw(`"at ${origin}"`)
  const body = `begin new.url := replace(new.url, '${name}/', '${origin}/'); return new; end`
  await rows(sql`create function ${id}() returns trigger language plpgsql as ${sql.raw(`$$${body}$$`)}`)
  await rows(sql`create trigger ${id} before insert on api_webhooks for each row execute function ${id}()`)
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()))
  await test.core.database.rows(sql`delete from api_webhooks`)
  for (const each of [receiver, other]) each.answers.clear()
})

afterAll(async () => {
  const wrong = await violations(test.core.database)
  expect(canaries.hits()).toBe(0)
  await app.close()
  await test.close()
  await Promise.all([receiver.stop(), other.stop(), canaries.stop()])
  expect([...wrong, ...log.lines.filter((line) => line.startsWith('error'))]).toEqual([])
  // URLs may contain secrets
  expect(log.lines.filter((line) => line.includes('hush'))).toEqual([])
})

async function start(options: Partial<WebhookOptions> = {}): Promise<Webhooks> {
  const webhooks = await startWebhooks(parts.core, {
    eventOf: (outcome) => webhookEvent(parts, outcome),
    trusted: [receiver.origin, other.origin],
    graceMs: 0,
    ...options,
  })
  running.push(webhooks)
  return webhooks
}

interface Job {
  id: string
  state: string
  result: { data: { url: string }[] } | null
}

const send = (method: 'GET' | 'POST' | 'DELETE', url: string, { body, as = key, headers = {} }: Sent = {}) =>
  app.inject({ method, url: `/v1${url}`, headers: { authorization: `Bearer ${as}`, ...headers }, payload: body })
interface Sent {
  body?: object
  as?: string
  headers?: Record<string, string>
}

let requestCount = 0
/** Each request has its own webhook URL. The query stands for a secret. */
async function ask(prompt: string, { path = '/fine', at = receiver, as = key, headers = {} } = {}) {
  const target = `${path}?case=${++requestCount}&token=hush`
  const answer = await send('POST', '/images/generations', {
    body: { prompt, webhook_url: names.get(at) + target },
    as,
    headers: { prefer: 'respond-async', ...headers },
  })
  expect(answer.statusCode, answer.payload).toBe(202)
  return { id: answer.json<Job>().id, received: () => at.receivedAt(target) }
}

interface Row {
  tries: number
  delivered: boolean
  final: boolean
  problem: string | null
  /** Seconds until the next attempt. */
  wait: number | null
}

async function rowOf(id: string): Promise<Row | undefined> {
  const [row] = await test.core.database.rows<Row>(sql`
    select tries, problem, delivered_at is not null as delivered, due_at is null as final,
      extract(epoch from due_at - now())::float8 as wait
    from api_webhooks where generation_id = ${id}::uuid`)
  return row
}

const settled = (id: string) => expect.poll(() => rowOf(id))
const delivered = (tries = 1) => ({ tries, delivered: true, final: true, problem: null, wait: null })
const dueNow = (id: string) =>
  test.core.database.rows(sql`
    with due as (update api_webhooks set due_at = now() where generation_id = ${id}::uuid)
    select pg_notify('fluxbot_webhooks', '')`)
const stateOf = async (id: string, as = key) => (await send('GET', `/images/jobs/${id}`, { as })).json<Job>().state
const ended = (id: string, state: string) => expect.poll(() => stateOf(id)).toBe(state)

const secretOf = async (as: string) => {
  const answer = await send('GET', '/webhooks/secret', { as })
  expect(answer.headers['cache-control']).toBe('no-store')
  expect(answer.json()).toMatchObject({
    object: 'webhook.secret',
    secret: expect.stringMatching(/^whsec_[\w+/]{43}=$/),
  })
  return answer.json<{ secret: string }>().secret
}

interface Event {
  type: string
  timestamp: string
  data: Job
}

/** Throws unless the webhook was signed with the secret of the key, just now. */
async function verified({ body, headers }: { body: string; headers: Record<string, string> }, as = key) {
  return new Webhook(await secretOf(as)).verify(body, headers) as Event
}

describe('a webhook', () => {
  it('is signed and contains the job as the jobs route returns it', async () => {
    await start()
    const { id, received } = await ask('a cat')
    await settled(id).toEqual(delivered())
    const [message] = received()
    expect(received()).toHaveLength(1)
    expect(message).toMatchObject({
      method: 'POST',
      headers: { 'content-type': 'application/json', 'webhook-id': `msg_${id}` },
    })
    expect(Object.keys(message?.headers ?? {}).filter((name) => /auth|cookie|key/.test(name))).toEqual([])
    const { type, timestamp, data } = await verified(message ?? expect.fail())
    expect(type).toBe('image.job.succeeded')
    expect(Math.abs(Date.now() - Date.parse(timestamp))).toBeLessThan(60_000)
    const job = (await send('GET', `/images/jobs/${id}`)).json<Job>()
    const path = ({ result }: Job) => new URL(result?.data[0]?.url ?? '').pathname
    expect(path(data)).toBe(path(job))
    expect({ ...data, result: null }).toEqual({ ...job, result: null })
  })

  it('reports a failed or cancelled request, whose credits are refunded', async () => {
    await start()
    gate = createGate()
    const before = (await readAccount(test.core, userId)).balance
    const failed = await ask('no')
    const cancelled = await ask('later')
    expect((await send('DELETE', `/images/jobs/${cancelled.id}`)).json<Job>().state).toBe('cancelled')
    gate.open()
    await settled(failed.id).toEqual(delivered())
    await settled(cancelled.id).toEqual(delivered())
    const events = await Promise.all(
      [failed, cancelled].map(({ received }) => verified(received()[0] ?? expect.fail())),
    )
    expect(events).toMatchObject([
      { type: 'image.job.failed', data: { id: failed.id, error: { code: 'content_policy_violation' }, result: null } },
      { type: 'image.job.cancelled', data: { id: cancelled.id, state: 'cancelled', result: null } },
    ])
    expect((await readAccount(test.core, userId)).balance).toBe(before)
  })

  it('is signed with the secret of the key that made the request', async () => {
    await start()
    const second = (await createApiKey(test.core, { userId, name: 'second' })).key
    const secrets = await Promise.all([key, second, operatorKey].map(secretOf))
    expect(new Set(secrets).size).toBe(3)
    expect(await secretOf(key)).toBe(secrets[0])
    const mine = await ask('a cat', { as: second })
    const operators = await ask('a cat', { as: operatorKey })
    await settled(mine.id).toEqual(delivered())
    await settled(operators.id).toEqual(delivered())
    const messages = [mine, operators].map(({ received }) => received()[0] ?? expect.fail())
    await verified(messages[0] ?? expect.fail(), second)
    await verified(messages[1] ?? expect.fail(), operatorKey)
    await expect(verified(messages[0] ?? expect.fail())).rejects.toThrow('No matching signature')
    await expect(verified(messages[1] ?? expect.fail())).rejects.toThrow('No matching signature')
    expect((await send('GET', '/webhooks/secret', { as: 'wrong' })).statusCode).toBe(401)
  })

  it('is delivered once for a request that was sent twice', async () => {
    await start()
    const headers = { 'idempotency-key': 'once', prefer: 'respond-async' }
    const body = { prompt: 'a cat', webhook_url: `${names.get(receiver)}/once?token=hush` }
    const one = (await send('POST', '/images/generations', { body, headers })).json<Job>()
    await settled(one.id).toEqual(delivered())
    expect((await send('POST', '/images/generations', { body, headers })).json<Job>().id).toBe(one.id)
    expect(receiver.receivedAt('/once?token=hush')).toHaveLength(1)
  })

  it('is not delivered without a webhook_url', async () => {
    const { id } = (
      await send('POST', '/images/generations', { body: { prompt: 'a cat' }, headers: { prefer: 'respond-async' } })
    ).json<Job>()
    const call = await test.say('a dog')
    await ended(id, 'succeeded')
    expect(await test.ended(call)).toBe('delivered')
    expect(await test.core.database.rows(sql`select * from api_webhooks`)).toEqual([])
  })

  it('is not delivered for a request that its owner has erased', async () => {
    const { id, received } = await ask('a cat')
    await ended(id, 'succeeded')
    expect(await erase(test.core, userId, id)).toBe(true)
    await start()
    await settled(id).toMatchObject({ delivered: false, final: true, problem: 'the request was erased' })
    expect(received()).toEqual([])
  })
})

describe('a receiver that', () => {
  const endless = (response: ServerResponse) => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384, 'x')));
    }
    response.on('error', () => undefined).on('drain', more)
    more()
  }

  it.each<[string, (response: ServerResponse) => void, string | RegExp, number]>([
    ['fails', (response) => response.writeHead(500).end('no'), 'status 500', 5],
    ['responds with 404', (response) => response.writeHead(404).end(), 'status 404', 5],
    ['asks for a short pause', (response) => response.writeHead(429, { 'retry-after': '90' }).end(), 'status 429', 90],
    [
      'asks for a pause that is too long',
      (response) => response.writeHead(503, { 'retry-after': '999999' }).end(),
      'status 503',
      5,
    ],
    [
      'redirects',
      (response) => response.writeHead(307, { location: `http://127.0.0.1:${canaries.port}/` }).end(),
      'status 307: redirects are not followed',
      5,
    ],
    ['hangs up', (response) => response.destroy(), /^broken http:\/\/127\.0\.0\.1:\d+ UND_ERR_SOCKET$/, 5],
    ['never responds', () => undefined, /^timeout http:\/\/127\.0\.0\.1:\d+$/, 5],
    ['never finishes its response', (response) => response.writeHead(500).write('n'), 'status 500', 5],
  ])('%s gets a retry with the same id', async (name, answer, problem, pause) => {
    const path = `/trouble-${++requestCount}`
    receiver.answers.set(path, answer)
    const first = await start(/never/.test(name) ? { timeoutMs: 500 } : {})
    const { id, received } = await ask('a cat', { path })
    await settled(id).toMatchObject({
      tries: 1,
      delivered: false,
      final: false,
      problem: expect.stringMatching(problem),
    })
    const wait = (await rowOf(id))?.wait ?? 0
    expect(wait).toBeGreaterThan(pause - 5)
    expect(wait).toBeLessThan(pause * 1.1)
    await first.stop()
    receiver.answers.delete(path)
    await start()
    await dueNow(id)
    await settled(id).toEqual(delivered(2))
    expect(received().map(({ headers }) => headers['webhook-id'])).toEqual([`msg_${id}`, `msg_${id}`])
    for (const message of received()) await verified(message)
  })

  it('responds with 410 gets no retry', async () => {
    receiver.answers.set('/gone', (response) => response.writeHead(410).end())
    await start()
    const { id } = await ask('a cat', { path: '/gone' })
    await settled(id).toMatchObject({
      tries: 1,
      delivered: false,
      final: true,
      problem: expect.stringContaining('410'),
    })
  })

  it('accepts and then sends an endless body has accepted, and the body is not read', async () => {
    let sent = 0
    receiver.answers.set('/huge', (response) => {
      const { socket } = response
      socket?.once('close', () => {
        sent = socket.bytesWritten
      })
      endless(response)
    })
    await start()
    const { id } = await ask('a cat', { path: '/huge' })
    await settled(id).toEqual(delivered())
    await expect.poll(() => sent).toBeGreaterThan(0)
    expect(sent).toBeLessThan(16 * 1024 * 1024)
  })

  it('fails for a day gets no further attempt', async () => {
    receiver.answers.set('/never', (response) => response.writeHead(500).end())
    const { id, received } = await ask('a cat', { path: '/never' })
    await ended(id, 'succeeded')
    await test.core.database.rows(sql`update api_webhooks set tries = 8 where generation_id = ${id}::uuid`)
    await start()
    await settled(id).toEqual({ tries: 9, delivered: false, final: true, problem: 'status 500', wait: null })
    expect(received()).toHaveLength(1)
    expect(log.lines.findLast((line) => line.includes(id))).toMatch(/^warn .*"final":true,"problem":"status 500"/)
  })

  it('has a name that resolves to a private address is not connected to', async () => {
    const { id } = await ask('a cat')
    await ended(id, 'succeeded')
    const url = `https://inside.example/?token=hush`
    await test.core.database.rows(sql`update api_webhooks set url = ${url} where generation_id = ${id}::uuid`)
    await start({ lookup: async () => [{ address: '127.0.0.1', family: 4 }] })
    await settled(id).toMatchObject({
      tries: 1,
      delivered: false,
      problem: expect.stringMatching(/^forbidden https:\/\/inside\.example$/),
    })
  })

  it('is slow gets eight deliveries at a time, and does not delay other receivers', async () => {
    const held: ServerResponse[] = []
    other.answers.set('/slow', (response) => held.push(response))
    await start()
    const slow = await Promise.all(Array.from({ length: 12 }, () => ask('a cat', { path: '/slow', at: other })))
    await expect.poll(() => held.length).toBe(8)
    const quick = await ask('a cat')
    await settled(quick.id).toEqual(delivered())
    expect(held).toHaveLength(8)
    other.answers.delete('/slow')
    for (const response of held) response.writeHead(200).end()
    for (const { id, received } of slow) {
      await settled(id).toEqual(delivered())
      expect(received()).toHaveLength(1)
    }
  })
})

describe('of several processes', () => {
  it('one delivers each webhook', async () => {
    await Promise.all([start(), start(), start()])
    const all = await Promise.all(Array.from({ length: 20 }, () => ask('a cat')))
    for (const { id, received } of all) {
      await settled(id).toEqual(delivered())
      expect(received()).toHaveLength(1)
    }
  })

  it('another repeats the delivery at once when one stops in between', async () => {
    const held: ServerResponse[] = []
    receiver.answers.set('/held', (response) => held.push(response))
    const first = await start()
    const { id, received } = await ask('a cat', { path: '/held' })
    await expect.poll(() => held.length).toBe(1)
    receiver.answers.clear()
    await start()
    await first.stop()
    await settled(id).toEqual(delivered())
    expect(received().map(({ headers }) => headers['webhook-id'])).toEqual([`msg_${id}`, `msg_${id}`])
  })

  it('another repeats the delivery when one was killed, and the first success counts', async () => {
    const held: ServerResponse[] = []
    receiver.answers.set('/held', (response) => held.push(response))
    await start()
    const { id, received } = await ask('a cat', { path: '/held' })
    await expect.poll(() => held.length).toBe(1)
    const wait = (await rowOf(id))?.wait ?? 0
    expect([wait > 50, wait <= 60]).toEqual([true, true])
    // as if its lease had expired
    const second = await start({ graceMs: 5_000 })
    await dueNow(id)
    await expect.poll(() => held.length).toBe(2)
    held[0]?.writeHead(200).end()
    await settled(id).toEqual(delivered(2))
    // a late failure does not undo the success
    held[1]?.writeHead(500).end()
    await second.stop()
    expect(await rowOf(id)).toEqual(delivered(2))
    expect(received()).toHaveLength(2)
  })

  it('one waits for deliveries under way when it stops', async () => {
    const held: ServerResponse[] = []
    receiver.answers.set('/held', (response) => held.push(response))
    const webhooks = await start({ graceMs: 5_000 })
    const { id } = await ask('a cat', { path: '/held' })
    await expect.poll(() => held.length).toBe(1)
    const stopping = webhooks.stop()
    held[0]?.writeHead(204).end()
    await stopping
    expect(await rowOf(id)).toEqual(delivered())
  })
})

it.each([
  ['http://example.com/a', 'example.com'],
  ['https://127.0.0.1/a', '127.0.0.1'],
  ['https://2130706433/', '127.0.0.1'],
  ['https://[::1]/', '[::1]'],
  ['https://[::ffff:10.0.0.1]/', '[::ffff:a00:1]'],
  ['https://169.254.169.254/latest/meta-data', '169.254.169.254'],
  ['https://10.0.0.8/', '10.0.0.8'],
  ['https://redis/', 'redis'],
  ['https://example.com:8443/', 'example.com:8443'],
  ['https://ann:hush@example.com/', 'example.com'],
])('refuses %s by its host, and charges nothing', async (address, shown) => {
  const before = await readAccount(test.core, userId)
  const answer = await send('POST', '/images/generations', { body: { prompt: 'a cat', webhook_url: address } })
  expect(answer.statusCode).toBe(400)
  expect(answer.json()).toMatchObject({ error: { param: 'webhook_url', code: 'invalid_value' } })
  expect(answer.json().error.message).toContain(`"${shown}". Expected a public https address`)
  expect(answer.payload).not.toContain('hush')
  expect(await readAccount(test.core, userId)).toEqual(before)
})

it('refuses local addresses in requests, even origins that delivery trusts', async () => {
  const refused = [`http://127.0.0.1:${canaries.port}/`, receiver.origin, receiver.origin.replace('//', '//ann:hush@')]
  for (const address of refused) {
    const answer = await send('POST', '/images/generations', { body: { prompt: 'a cat', webhook_url: address } })
    expect(answer.statusCode).toBe(400)
  }
})

it('lengthens pauses, and respects retry-after up to half a day', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  const pauses = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((tries) => pauseAfter(tries, undefined, now))
  expect(pauses).toEqual([5, 30, 120, 600, 3_600, 10_800, 21_600, 43_200, undefined])
  expect(pauseAfter(1, '60', now)).toBe(60)
  expect(pauseAfter(3, '60', now)).toBe(120)
  expect(pauseAfter(1, 'Thu, 01 Jan 2026 00:10:00 GMT', now)).toBe(600)
  for (const absurd of ['43201', '-5', 'soon', 'Thu, 01 Jan 2099 00:00:00 GMT', '1e3', '']) {
    expect(pauseAfter(1, absurd, now), absurd).toBe(5)
  }
  expect(pauseAfter(9, '60', now)).toBeUndefined()
})

it('deletes webhooks that ended a week ago, and keeps all others', async () => {
  await start()
  const over = await ask('a cat')
  await settled(over.id).toEqual(delivered())
  await Promise.all(running.splice(0).map((each) => each.stop()))
  const waiting = await ask('a cat')
  const recent = await ask('a cat')
  await ended(waiting.id, 'succeeded')
  await ended(recent.id, 'succeeded')
  const { rows } = test.core.database
  await rows(
    sql`update api_webhooks set created_at = now() - interval '8 days' where generation_id <> ${recent.id}::uuid`,
  )
  await rows(sql`update api_webhooks set due_at = null where generation_id = ${recent.id}::uuid`)
  // more than one batch; the generations need not exist
  await test.core.database.db.transaction(async (tx) => {
    await rows(sql`set local session_replication_role = replica`, tx)
    await rows(
      sql`insert into api_webhooks (generation_id, url, due_at, created_at)
        select gen_random_uuid(), 'https://example.com/', null, now() - interval '8 days' from generate_series(1, 1200)`,
      tx,
    )
  })
  await pruneWebhooks(test.core, () => true)
  expect(await rows(sql`select from api_webhooks`)).toHaveLength(1_203)
  await pruneWebhooks(test.core, () => false)
  const left = await rows<{ id: string }>(sql`select generation_id as id from api_webhooks`)
  expect(left.map(({ id }) => id).sort()).toEqual([waiting.id, recent.id].sort())
})
