/** The service on this machine behind a proxy that adds no headers: each request seems to come from this machine. */
import { mkdtemp, rm } from 'node:fs/promises'
import { request as ask, createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { request } from 'undici'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { allSurfaces } from '../../src/bots/index.ts'
import { startBots } from '../../src/bots/start.ts'
import { signInToken } from '../../src/bots/web/access.ts'
import { type Composed, compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { createMetrics, metricsPage } from '../../src/http/operations/metrics.ts'
import { createApp } from '../../src/http/server/app.ts'
import { createHttp } from '../../src/http/server/http.ts'
import { openTestDatabase, quickest } from '../helpers/backends.ts'
import { freePort } from '../helpers/ports.ts'

const operatorKey = 'the-key-of-the-operator'
const stops: (() => Promise<unknown>)[] = []
let composed: Composed
let proxied: string

beforeAll(async () => {
  const port = await freePort()
  const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-trust-'))
  const test = await openTestDatabase(quickest)
  const config = readConfig({ DATA_DIR: dataDir, PORT: String(port), LOG_LEVEL: 'silent', API_KEY: operatorKey })
  const surfaces = allSurfaces(config)
  composed = await compose(config, { database: test.database, surfaces: surfaces.create })
  const bots = await startBots(composed.core, config.roles)
  const metrics = createMetrics()
  const http = createHttp(composed.core, { operatorKey })
  const plugins = [...surfaces.plugins(), metricsPage({ http, metrics, publicUrl: config.publicUrl })]
  const app = createApp({ log: composed.core.log, closeMs: 100, plugins })
  await app.listen({ port, host: config.host })
  const proxy = await startProxy(port)
  proxied = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  stops.push(
    async () => proxy.close(),
    () => app.close(),
    () => bots.stop(),
    composed.close,
    () => test.drop(),
    () => rm(dataDir, { recursive: true, force: true }),
  )
})
afterAll(async () => {
  for (const stop of stops) await stop()
})

/** Passes requests on with the target as their Host header, as `proxy_pass` of nginx does by default. */
async function startProxy(port: number): Promise<Server> {
  const proxy = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, host: `127.0.0.1:${port}` }
    const { method, url: path } = incoming
    const passed = ask({ port, host: '127.0.0.1', method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(passed)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return proxy
}

async function say(text: string, headers: Record<string, string> = {}): Promise<number> {
  const form = new FormData()
  form.set('id', crypto.randomUUID())
  form.set('text', text)
  const body = new Response(form)
  const type = body.headers.get('content-type') ?? ''
  const data = Buffer.from(await body.arrayBuffer())
  const options = { method: 'POST', headers: { 'content-type': type, ...headers }, body: data } as const
  const { statusCode, body: answer } = await request(`${proxied}/web/messages`, options)
  await answer.dump()
  return statusCode
}

const given = async () => {
  const [row] = await composed.core.database.rows<{ n: number }>(sql`select count(*)::int as n from users`)
  return row?.n
}

it('a stranger cannot use the page or read metrics', async () => {
  const session = await request(`${proxied}/web/session`)
  expect(session.headers['set-cookie']).toBeUndefined()
  expect(await session.body.json()).toMatchObject({ trouble: 'sign_in' })
  expect(await say('/credits give @me 5000')).toBe(401)
  expect(await say('a cat', { 'x-forwarded-for': '127.0.0.1', forwarded: 'for=127.0.0.1' })).toBe(401)
  for (const path of ['/web/messages', '/web/events', '/web/pictures/x/0', '/metrics']) {
    const { statusCode, body } = await request(proxied + path)
    await body.dump()
    expect([path, statusCode]).toEqual([path, 401])
  }
  expect(await given()).toBe(0)
})

it('a browser that opens the printed link is an administrator', async () => {
  const link = await request(`${proxied}/?token=${signInToken(composed.core.secretKey)}`)
  await link.body.dump()
  const cookie = String(link.headers['set-cookie']).split(';')[0] as string
  expect(await say('/credits give @me 5000', { cookie })).toBe(202)
  const balance = async () =>
    (await composed.core.database.rows<{ balance: number }>(sql`select balance from users`))[0]?.balance
  await expect.poll(balance).toBe(5020)
})

it('the operator key reads metrics', async () => {
  const { statusCode, body } = await request(`${proxied}/metrics`, { headers: { 'x-api-key': operatorKey } })
  await body.dump()
  expect(statusCode).toBe(200)
})
