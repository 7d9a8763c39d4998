/** The OpenAI routes on a local port, called by OpenAI's own client, with a core on a real database. */
import type { AddressInfo } from 'node:net'
import { sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import OpenAI, { type ClientOptions } from 'openai'
import { accountOf, readAccount } from '../../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../../src/core/accounts/api-keys.ts'
import type { ImageProvider, Task } from '../../../../src/core/ports/providers.ts'
import { openai } from '../../../../src/http/api/openai/index.ts'
import { status } from '../../../../src/http/operations/status.ts'
import { createApp } from '../../../../src/http/server/app.ts'
import { quickest } from '../../../helpers/backends.ts'
import { createPlain, openTestCore, pngOf, type TestCore, type TestCoreOptions } from '../../../helpers/core.ts'
import { apiParts } from '../../../helpers/http.ts'
import { violations } from '../../../helpers/invariants.ts'
import { keepLog } from '../../../helpers/log.ts'

export const operatorKey = 'the-operator-s-own-key'

export interface Service {
  test: TestCore
  app: FastifyInstance
  /** Ann's API key. */
  key: string
  url: string
  log: ReturnType<typeof keepLog>
  /** Every request of the clients, as 'POST /v1/images/generations 200', or 'gone' for a status if there was no response. */
  requests: string[]
  /** Uses Ann's key by default. */
  client(options?: ClientOptions): OpenAI
  /** Accepted requests, oldest first. `images`: number of stored results. */
  generations(): Promise<{ id: string; state: string; images: number }[]>
  /** Ann's credits. */
  balance(): Promise<number>
  close(): Promise<void>
}

/** `requestsPerMinute`: limit for one key, high by default because tests send more requests than programs do. */
export async function openService(
  { publicUrl = 'http://localhost:8080', ...options }: TestCoreOptions & { publicUrl?: string } = {},
  requestsPerMinute = 100_000,
): Promise<Service> {
  const test = await openTestCore(quickest, options)
  const userId = await accountOf(test.core, { id: 'test:ann', name: 'ann' })
  const { key } = await createApiKey(test.core, { userId, name: 'mine' })
  const log = keepLog()
  const core = { ...test.core, log: { ...test.core.log, error: log.error } }
  const app = createApp({
    log,
    closeMs: 100,
    plugins: [
      openai(apiParts(core, { operatorKey, publicUrl, requestsPerMinute })),
      status({ ready: async () => ({}) }),
    ],
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const requests: string[] = []
  const recordingFetch: typeof fetch = async (input, init) => {
    const at = requests.push('') - 1
    const name = `${init?.method ?? 'GET'} ${new URL(String(input)).pathname}`
    requests[at] = `${name} gone`
    const response = await fetch(input, init)
    requests[at] = `${name} ${response.status}`
    return response
  }
  return {
    test,
    app,
    key,
    url,
    log,
    requests,
    client: (options) => new OpenAI({ apiKey: key, baseURL: `${url}/v1`, fetch: recordingFetch, ...options }),
    generations: () =>
      test.core.database.rows(sql`
        select id, state, (select count(*)::int from images i where i.generation_id = g.id and role = 'output') as images
        from generations g order by id`),
    balance: async () => (await readAccount(test.core, userId)).balance,
    close: async () => {
      await app.close()
      await test.close()
    },
  }
}

/** Closes the service. Returns violated invariants and logged errors. Every request must have ended. */
export async function closeService(service: Service): Promise<string[]> {
  const wrong = await violations(service.test.core.database)
  await service.close()
  return [...wrong, ...service.log.lines.filter((line) => line.startsWith('error'))]
}

/** A gate for providers to wait at until a test opens it. */
export function createGate(): { opened: Promise<void>; open(): void } {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}

/** A provider that draws the requested number of images at once and records its tasks. */
export function createSeveral(): { provider: ImageProvider; tasks: Task[] } {
  const tasks: Task[] = []
  const provider = createPlain({
    start: async (task) => {
      tasks.push(task)
      const { count = 1 } = task.input as { count?: number }
      const images = await Promise.all(Array.from({ length: count }, (_, at) => pngOf(64 + at, 32)))
      return { state: 'done', images, seed: '7' }
    },
  })
  return { provider, tasks }
}
