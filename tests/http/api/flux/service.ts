/**
 * The FLUX service on a port of this machine, with the pictures that its links lead to on another. Every answer is checked
 * against what the routes say of themselves.
 */
import type { AddressInfo } from 'node:net'
import { sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { expect } from 'vitest'
import type { z } from 'zod'
import { accountOf, readAccount } from '../../../../src/core/accounts/accounts.ts'
import { createApiKey, type NewKey } from '../../../../src/core/accounts/api-keys.ts'
import type { Core } from '../../../../src/core/core.ts'
import { verifyLink } from '../../../../src/core/media/links.ts'
import type { ObjectStore } from '../../../../src/core/ports/storage.ts'
import { flux } from '../../../../src/http/api/flux/index.ts'
import { pictures } from '../../../../src/http/pictures/pictures.ts'
import { createApp } from '../../../../src/http/server/app.ts'
import { quickest } from '../../../helpers/backends.ts'
import { openTestCore, type TestCore, type TestCoreOptions } from '../../../helpers/core.ts'
import { apiParts } from '../../../helpers/http.ts'
import { violations } from '../../../helpers/invariants.ts'
import { keepLog } from '../../../helpers/log.ts'

export const operatorKey = 'the-operator-s-own-key'

export interface Sent {
  /** JSON, or a form. */
  body?: unknown
  /** Ann's unless said otherwise; null: none. */
  key?: string | null
  headers?: Record<string, string>
}

export interface Answered {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: whatever comes, which its own schema has passed
  body: any
}

export interface Service {
  test: TestCore
  core: Core
  store: WatchedStore
  userId: string
  key: string
  log: ReturnType<typeof keepLog>
  /** Whatever was answered, as text. */
  answers: string[]
  /** Paths that were asked of the server of pictures. */
  fetched: string[]
  /** 'GET task/…', below /api/v1/flux unless it begins with a slash. */
  call(what: string, sent?: Sent): Promise<Answered>
  /** A key for an account of that name. */
  keyFor(name: string, over?: Partial<NewKey>): Promise<string>
  balance(): Promise<number>
  /** Requests that were accepted. */
  accepted(): Promise<number>
  /** Says what does not add up. */
  close(): Promise<string[]>
}

/** Knows which objects there are. */
export interface WatchedStore extends ObjectStore {
  keys(): Promise<string[]>
}

interface Documented {
  method: string
  path: RegExp
  response: Record<string, z.ZodType>
}

export async function openService(
  options: TestCoreOptions = {},
  over: (core: Core) => Partial<Core> = () => ({}),
): Promise<Service> {
  const test = await openTestCore(quickest, options)
  const log = keepLog()
  const fetched: string[] = []
  const { app: server, url: publicUrl } = await listen(picturesOf(test.core, fetched))
  const store = watched(test.core.store, publicUrl)
  // in the very core that workers have
  const core = Object.assign(test.core, { store, log: { ...test.core.log, error: log.error }, ...over(test.core) })
  const keyFor = async (name: string, wanted: Partial<NewKey> = {}) => {
    const userId = await accountOf(core, { id: `test:${name}`, name })
    return (await createApiKey(core, { userId, name: 'mine', ...wanted })).key
  }
  const key = await keyFor('ann')
  const userId = await accountOf(core, { id: 'test:ann', name: 'ann' })
  const documented: Documented[] = []
  const { app, url } = await listen(apiOf(core, publicUrl, log), documented)
  const answers: string[] = []
  return {
    test,
    core,
    store,
    userId,
    key,
    log,
    answers,
    fetched,
    call: async (what, { body, key: own = key, headers = {} } = {}) => {
      const [method = 'GET', named = ''] = what.split(' ')
      const path = named.startsWith('/') ? named : `/api/v1/flux/${named}`
      const json = body !== undefined && !(body instanceof FormData)
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...(own !== null && { authorization: `Bearer ${own}` }),
          ...(json && { 'content-type': 'application/json' }),
          ...headers,
        },
        body: body instanceof FormData || typeof body === 'string' ? body : JSON.stringify(body),
      })
      const text = await response.text()
      answers.push(`${text}\n${JSON.stringify([...response.headers])}`)
      const answered = { status: response.status, headers: response.headers, body: JSON.parse(text) }
      check(documented, `${method} ${path.split('?')[0]}`, answered)
      return answered
    },
    keyFor,
    balance: async () => (await readAccount(core, userId)).balance,
    accepted: async () => {
      const [row] = await core.database.rows<{ count: number }>(sql`select count(*)::int as count from generations`)
      return row?.count ?? 0
    },
    close: async () => {
      const wrong = await violations(core.database, store)
      await app.close()
      await server.close()
      await test.close()
      return [...wrong, ...log.lines.filter((line) => line.startsWith('error'))]
    },
  }
}

function apiOf(core: Core, publicUrl: string, log: ReturnType<typeof keepLog>): FastifyInstance {
  const parts = apiParts(core, { operatorKey, publicUrl })
  return createApp({ log, closeMs: 100, plugins: [flux(parts)] })
}

function picturesOf(core: Core, fetched: string[]): FastifyInstance {
  const verify = (link: Parameters<typeof verifyLink>[1]) => verifyLink(core.secretKey, link)
  const { log } = core
  const plugins = [pictures({ load: (key) => core.store.get(key), verify })]
  const app = createApp({ log, closeMs: 100, plugins })
  app.addHook('onRequest', async ({ url }) => void fetched.push(url))
  return app
}

async function listen(app: FastifyInstance, documented: Documented[] = []) {
  app.addHook('onRoute', ({ method, url, schema }) => {
    const response = schema?.response as Record<string, z.ZodType> | undefined
    const path = new RegExp(`^${method} ${url.replace(/:\w+/g, '[^/]+')}$`)
    if (response) documented.push({ method: String(method), path, response })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` }
}

function check(documented: readonly Documented[], what: string, { status, body }: Answered): void {
  const route = documented.find(({ path }) => path.test(what))
  const schema = route?.response[status] ?? route?.response[`${Math.floor(status / 100)}xx`]
  if (route && !schema) throw new Error(`${what} does not say what ${status} means`)
  if (schema) expect(schema.parse(body)).toEqual(body)
}

function watched(store: ObjectStore, publicUrl: string): WatchedStore {
  const held = new Set<string>()
  return {
    ...store,
    link: async (key, ttl) => (await store.link(key, ttl)).replace('http://localhost:8080', publicUrl),
    put: async (key, body, type) => {
      await store.put(key, body, type)
      held.add(key)
    },
    delete: async (key) => {
      await store.delete(key)
      held.delete(key)
    },
    keys: async () => [...held],
  }
}
