/**
 * Serves the FLUX routes on a local port, and the pictures that their links point to on another. Every response is checked
 * against the schema of its route.
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
  /** Default: Ann's key. null: no key. */
  key?: string | null
  headers?: Record<string, string>
}

export interface Answered {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: each test knows the fields, and the schema has checked them
  body: any
}

export interface Service {
  test: TestCore
  core: Core
  store: WatchedStore
  userId: string
  key: string
  log: ReturnType<typeof keepLog>
  /** Bodies and headers of all responses, as text. */
  answers: string[]
  /** Paths that were requested from the server of pictures. */
  fetched: string[]
  /** `what`: 'GET task/…'. The path is relative to /api/v1/flux unless it begins with a slash. */
  call(what: string, sent?: Sent): Promise<Answered>
  /** Creates a key for the account of that name. */
  keyFor(name: string, over?: Partial<NewKey>): Promise<string>
  balance(): Promise<number>
  /** Number of accepted requests. */
  accepted(): Promise<number>
  /** Closes it. Resolves to violated invariants and logged errors. */
  close(): Promise<string[]>
}

/** A store that lists its objects. */
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
  // changes the core in place, because the workers use the same object
  const core = Object.assign(test.core, { store, log: { ...test.core.log, error: log.error }, ...over(test.core) })
  const keyFor = async (name: string, fields: Partial<NewKey> = {}) => {
    const userId = await accountOf(core, { id: `test:${name}`, name })
    return (await createApiKey(core, { userId, name: 'mine', ...fields })).key
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
      const [method = 'GET', target = ''] = what.split(' ')
      const path = target.startsWith('/') ? target : `/api/v1/flux/${target}`
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
  if (route && !schema) throw new Error(`${what} has no schema for status ${status}`)
  if (schema) expect(schema.parse(body)).toEqual(body)
}

function watched(store: ObjectStore, publicUrl: string): WatchedStore {
  const keys = new Set<string>()
  return {
    ...store,
    link: async (key, ttl) => (await store.link(key, ttl)).replace('http://localhost:8080', publicUrl),
    put: async (key, body, type) => {
      await store.put(key, body, type)
      keys.add(key)
    },
    delete: async (key) => {
      await store.delete(key)
      keys.delete(key)
    },
    keys: async () => [...keys],
  }
}
