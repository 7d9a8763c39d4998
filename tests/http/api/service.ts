/** All routes, as main.ts composes them, on a core with a real database, with the OpenAPI document to check responses against. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { createWeb } from '../../../src/bots/web/web.ts'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../src/core/accounts/api-keys.ts'
import { grant } from '../../../src/core/billing/ledger.ts'
import { receiveWebhook } from '../../../src/core/generation/provider-webhook.ts'
import { verifyLink } from '../../../src/core/media/links.ts'
import { api } from '../../../src/http/api/index.ts'
import { exportLinks } from '../../../src/http/exports/exports.ts'
import { hooks } from '../../../src/http/operations/provider-webhooks.ts'
import { status } from '../../../src/http/operations/status.ts'
import { pictures } from '../../../src/http/pictures/pictures.ts'
import { createApp } from '../../../src/http/server/app.ts'
import { basePathOf } from '../../../src/net/own-address.ts'
import { quickest } from '../../helpers/backends.ts'
import { openTestCore, type TestCore, type TestCoreOptions } from '../../helpers/core.ts'
import { apiParts } from '../../helpers/http.ts'
import { violations } from '../../helpers/invariants.ts'
import { keepLog } from '../../helpers/log.ts'
import { type Contract, contractOf, type Document } from './contract.ts'

export interface Service {
  test: TestCore
  app: FastifyInstance
  publicUrl: string
  operatorKey: string
  log: ReturnType<typeof keepLog>
  document: Document
  contract: Contract
  /** Registered routes: 'GET /v1/models'. */
  routes: readonly string[]
  /** Creates an account with so many credits, and returns a key for it. `models`: the only models that the key may use. */
  keyWith(credits: number, models?: readonly string[]): Promise<string>
  /** Closes it. Resolves to violated invariants and logged errors. */
  close(): Promise<string[]>
}

export async function openEverything(options: TestCoreOptions = {}): Promise<Service> {
  const { publicUrl = 'http://localhost:8080' } = options
  const test = await openTestCore(quickest, { ...options, limits: { welcome: 0, ...options.limits } })
  const log = keepLog()
  const core = { ...test.core, log: { ...test.core.log, error: log.error, warn: log.warn } }
  const operatorKey = `operator-${randomUUID()}`
  const { database, secretKey, store } = core
  const parts = apiParts(core, { operatorKey, publicUrl, requestsPerMinute: 100_000 })
  const link = (key: string) => store.link(key, 600)
  const web = createWeb({ core: () => core, database, secretKey, publicUrl, link, log })
  const app = createApp({
    log,
    closeMs: 100,
    basePath: basePathOf(publicUrl),
    plugins: [
      web.plugin,
      hooks((call) => receiveWebhook(core, call)),
      ...api(parts),
      exportLinks(core),
      pictures({ ...parts.pictures, verify: (given) => verifyLink(secretKey, given) }),
      status({ ready: async () => ({}), publicUrl }),
    ],
  })
  const routes: string[] = []
  app.addHook('onRoute', ({ method, url, schema }) => {
    const shown = (schema as { hide?: boolean } | undefined)?.hide !== true
    if (shown) routes.push(...[method].flat().map((each) => `${each} ${url}`))
  })
  const document = (await app.inject('/openapi.json')).json<Document>()
  return {
    test,
    app,
    publicUrl,
    operatorKey,
    log,
    document,
    contract: contractOf(document),
    routes,
    keyWith: async (credits, models) => {
      const name = randomUUID()
      const userId = await accountOf(core, { id: `test:${name}`, name })
      if (credits > 0) {
        await grant(core, { userId, amount: credits, source: 'admin', actor: 'test', key: `test:${name}` })
      }
      return (await createApiKey(core, { userId, name: 'mine', models })).key
    },
    close: async () => {
      const wrong = await violations(database)
      await app.close()
      await test.close()
      return [...wrong, ...log.lines.filter((line) => line.startsWith('error'))]
    },
  }
}
