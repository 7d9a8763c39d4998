/**
 * One credit and 200 requests at once, from a chat, the page and the API: one of them is accepted.
 *
 *   RACE_ROUNDS=1000 npx vitest run tests/core/billing/credit-race.test.ts
 */
import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { allActions } from '../../../src/bots/actions/index.ts'
import { allCommands } from '../../../src/bots/commands/index.ts'
import { createDispatch } from '../../../src/bots/dispatch.ts'
import { createWeb } from '../../../src/bots/web/web.ts'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../src/core/accounts/api-keys.ts'
import { grant } from '../../../src/core/billing/ledger.ts'
import { api } from '../../../src/http/api/index.ts'
import { createApiSurface } from '../../../src/http/api/surface.ts'
import { createApp } from '../../../src/http/server/app.ts'
import { quickest } from '../../helpers/backends.ts'
import { createChat, openTestCore, type TestCore } from '../../helpers/core.ts'
import { apiParts } from '../../helpers/http.ts'
import { violations } from '../../helpers/invariants.ts'
import { keepLog } from '../../helpers/log.ts'

const rounds = Number(process.env.RACE_ROUNDS ?? 3)
/** The page takes 16 messages at once. */
const asked = { chat: 95, api: 90, page: 15 }
const publicUrl = 'http://localhost:8080'
const host = 'localhost:8080'
const log = keepLog()

let test: TestCore
let web: ReturnType<typeof createWeb>
let app: ReturnType<typeof createApp>
let userId: string
let key: string
let cookie: string

beforeAll(async () => {
  const chat = createChat()
  test = await openTestCore(quickest, {
    chat,
    publicUrl,
    limits: { welcome: 0, inFlight: 1_000, perMinute: 1_000_000 },
    surfaces: ({ database, secretKey }) => {
      web = createWeb({ core: () => test.core, database, secretKey, publicUrl, link: async () => publicUrl, log })
      return [chat, web, createApiSurface({ database })]
    },
  })
  const { core } = test
  const parts = apiParts(core, { operatorKey: 'the-key-of-the-operator', requestsPerMinute: 1_000_000 })
  app = createApp({ log, closeMs: 100, plugins: [web.plugin, ...api(parts)] })
  await web.start(createDispatch(core, { commands: allCommands, actions: allActions }))
  userId = await accountOf(core, { id: 'test:ann', name: 'ann', handle: 'ann' })
  key = (await createApiKey(core, { userId, name: 'mine' })).key
  const signedIn = await app.inject({ method: 'POST', url: '/web/signin', headers: { host }, payload: { key } })
  cookie = `${signedIn.cookies[0]?.name}=${signedIn.cookies[0]?.value}`
  await test.work()
})

afterAll(async () => {
  await app.close()
  await web.stop()
  await test.close()
})

it(
  `is accepted once of 200 requests, in each of ${rounds} rounds`,
  async () => {
    const { database } = test.core
    for (let round = 1; round <= rounds; round++) {
      await grant(test.core, { userId, amount: 1, source: 'admin', key: `round ${round}` })
      const answers = await Promise.all([
        ...times(asked.chat, askInChat),
        ...times(asked.api, askByApi),
        ...times(asked.page, askOnPage),
      ])
      await expect.poll(() => waiting()).toBe(0)
      const refused = answers.filter((answer) => answer === 'refused').length
      const onPage = await database.rows(sql`
        select id from web_messages where body->>'state' = 'failed' and body->>'text' like '%costs 1 credit and you have 0%'`)
      // the page answers later, so its refusals of all rounds are counted in its messages
      const accepted = await database.rows<{ surface: string }>(sql`select surface from generations`)
      expect({ round, accepted: accepted.length }).toEqual({ round, accepted: round })
      const byPage = accepted.filter(({ surface }) => surface === 'web').length
      expect(onPage).toHaveLength(asked.page * round - byPage)
      expect(refused).toBeGreaterThanOrEqual(asked.chat + asked.api - 1)
      await expect.poll(() => violations(database)).toEqual([])
    }
  },
  60_000 + rounds * 10_000,
)

const times = (count: number, act: () => Promise<string>) => Array.from({ length: count }, () => act())

async function askInChat(): Promise<string> {
  const call = await test.say('a cat')
  return test.chat.last(call.address)?.text.includes('costs 1 credit and you have 0') ? 'refused' : 'accepted'
}

async function askByApi(): Promise<string> {
  const answer = await app.inject({
    method: 'POST',
    url: '/v1/images/generations',
    headers: { host, authorization: `Bearer ${key}`, prefer: 'respond-async' },
    payload: { prompt: 'a cat' },
  })
  if (answer.statusCode === 202) return 'accepted'
  return answer.body.includes('insufficient_quota') ? 'refused' : `status ${answer.statusCode}`
}

async function askOnPage(): Promise<string> {
  const form = new FormData()
  form.set('id', randomUUID())
  form.set('text', 'a cat')
  const body = new Response(form)
  const payload = Buffer.from(await body.arrayBuffer())
  const headers = { host, cookie, 'content-type': body.headers.get('content-type') ?? '' }
  const { statusCode } = await app.inject({ method: 'POST', url: '/web/messages', headers, payload })
  return `stored: ${statusCode}`
}

/** Messages of the page that are not answered yet. */
async function waiting(): Promise<number> {
  const rows = await test.core.database.rows(sql`select key from inbox where handled_at is null`)
  return rows.length
}
