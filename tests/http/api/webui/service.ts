/** Serves the routes for web pages on a local port. Every response is checked against the schema of its route. */
import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'
import type { z } from 'zod'
import { accountOf, readAccount } from '../../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../../src/core/accounts/api-keys.ts'
import type { Core } from '../../../../src/core/core.ts'
import { webui } from '../../../../src/http/api/webui/index.ts'
import { createApp } from '../../../../src/http/server/app.ts'
import { quickest } from '../../../helpers/backends.ts'
import { openTestCore, type TestCore, type TestCoreOptions } from '../../../helpers/core.ts'
import { apiParts } from '../../../helpers/http.ts'
import { violations } from '../../../helpers/invariants.ts'
import { keepLog } from '../../../helpers/log.ts'

export const operatorKey = 'the-operator-s-own-key'

interface Sent {
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
  url: string
  userId: string
  key: string
  log: ReturnType<typeof keepLog>
  /** Bodies and headers of all responses, as text. */
  answers: string[]
  /** 'GET /api/history?page=1' */
  call(what: string, sent?: Sent): Promise<Answered>
  /** Creates a key for the account of that name. */
  keyFor(name: string): Promise<string>
  balance(): Promise<number>
  /** Closes it. Resolves to violated invariants and logged errors. */
  close(): Promise<string[]>
}

type Change = (core: Core, log: ReturnType<typeof keepLog>) => Promise<Core>

export async function openService(options: TestCoreOptions = {}, change?: Change): Promise<Service> {
  const test = await openTestCore(quickest, options)
  const log = keepLog()
  const core = await (change?.(test.core, log) ?? { ...test.core, log: { ...test.core.log, error: log.error } })
  const keyFor = async (name: string) => {
    const userId = await accountOf(core, { id: `test:${name}`, name })
    return (await createApiKey(core, { userId, name: 'mine' })).key
  }
  const key = await keyFor('ann')
  const userId = await accountOf(core, { id: 'test:ann', name: 'ann' })
  const app = createApp({ log, closeMs: 100, plugins: [webui(apiParts(core, { operatorKey }))] })
  const documented: { method: string; path: RegExp; response: Record<string, z.ZodType> }[] = []
  app.addHook('onRoute', ({ method, url, schema }) => {
    const response = schema?.response as Record<string, z.ZodType> | undefined
    const path = new RegExp(`^${url.replace(/:\w+/g, '[^/]+')}/?$`)
    if (response) documented.push({ method: String(method), path, response })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const answers: string[] = []

  function check(method: string, path: string, { status, body }: Answered) {
    // the fixed path before the one with an id
    const route = documented.findLast((each) => each.method === method && each.path.test(path))
    const schema = route?.response[status] ?? route?.response[`${Math.floor(status / 100)}xx`]
    if (!schema) throw new Error(`${method} ${path} has no schema for status ${status}`)
    expect(schema.parse(body)).toEqual(body)
  }

  return {
    test,
    core,
    url,
    userId,
    key,
    log,
    answers,
    call: async (what, { body, key: own = key, headers = {} } = {}) => {
      const [method = 'GET', path = '/'] = what.split(' ')
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...(own !== null && { authorization: `Bearer ${own}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        body: text,
      })
      const answer = await response.text()
      answers.push(`${answer}\n${JSON.stringify([...response.headers])}`)
      const answered = { status: response.status, headers: response.headers, body: JSON.parse(answer) }
      check(method, path.split('?')[0] ?? '', answered)
      return answered
    },
    keyFor,
    balance: async () => (await readAccount(core, userId)).balance,
    close: async () => {
      const wrong = await violations(core.database)
      await app.close()
      if (core.providers !== test.core.providers) await core.providers.stop()
      await test.close()
      return [...wrong, ...log.lines.filter((line) => line.startsWith('error'))]
    },
  }
}
