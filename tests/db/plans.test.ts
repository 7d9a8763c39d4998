/** Statements that run again and again find their rows by an index: with few rows, and even where reading the table costs less. */
import { type SQL, sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openInbox } from '../../src/bots/inbox.ts'
import { pruneInbox } from '../../src/bots/inbox-store.ts'
import { readChanges } from '../../src/bots/web/messages.ts'
import { forgetOldSessions } from '../../src/core/accounts/sessions.ts'
import { lastEntries } from '../../src/core/billing/ledger.ts'
import type { Core } from '../../src/core/core.ts'
import { takePlaceEdits } from '../../src/core/generation/place-edits.ts'
import {
  countIn,
  queuedRequests,
  requestsUnderWay,
  runningRequests,
  unfinishedLoad,
} from '../../src/core/history/backlog.ts'
import { createExpectations } from '../../src/core/history/expectations.ts'
import { readHistory } from '../../src/core/history/history.ts'
import { outcomeOf, outcomes } from '../../src/core/history/outcome.ts'
import { readProgress } from '../../src/core/programs/progress.ts'
import { findDueWebhooks, pruneWebhooks } from '../../src/core/programs/webhook-deliveries.ts'
import { tellOfReports } from '../../src/core/results/reports.ts'
import { renewLeases } from '../../src/core/worker/leases.ts'
import { keepSweeping } from '../../src/core/worker/sweep.ts'
import { takeUp } from '../../src/core/worker/take-up.ts'
import { type Backend, databases } from '../helpers/backends.ts'
import { openTestCore, type TestCore } from '../helpers/core.ts'
import { explaining } from '../helpers/plans.ts'

const person = '0199ffff-ffff-7fff-bfff-ffffffffffff'
const id = '0199ffff-ffff-7fff-bfff-fffffffffffe'
const progress = { seen: { state: 'queued', percent: null, version: null, preview: null }, withPreview: false } as const

/** Of the embedded database, which is Postgres too: plans do not depend on where it runs. */
const kind: Backend = databases()[0] ?? 'pglite'
let test: TestCore
let core: Core
let explained: ReturnType<typeof explaining>['explained']

beforeAll(async () => {
  test = await openTestCore(kind, { limits: { pictureDays: 30, referral: 1 } })
  const plans = explaining(test.core.database, { explain, runs: ['takeTurn'] })
  explained = plans.explained
  // without a private chat, no report would be looked for
  Object.assign(test.chat, { privateChat: async () => 'test:root' })
  core = { ...test.core, database: plans.database, expectations: createExpectations(plans.database) }
})
afterAll(() => test.close())

function explain(statement: SQL): Promise<string> {
  return test.core.database.db.transaction(async (tx) => {
    // without this, the planner reads small tables as a whole, although an index fits
    await test.core.database.rows(sql`select set_config('enable_seqscan', 'off', true)`, tx)
    const lines = await test.core.database.rows<object>(sql`explain ${statement}`, tx)
    return lines.map((line) => Object.values(line)[0]).join('\n')
  })
}

async function plansOf(run: () => Promise<unknown>): Promise<string[]> {
  explained.length = 0
  await run()
  return explained.map(({ plan }) => plan)
}

it('places far behind come from a list, and are those of the whole queue', async () => {
  const { key } = await test.say('a cat')
  const copy = (n: number) => `01000000-0000-7000-8000-${String(n).padStart(12, '0')}`
  await test.core.database.rows(sql`
    insert into generations select (jsonb_populate_record(g, jsonb_build_object('key', 'copy:' || n,
      'id', '01000000-0000-7000-8000-' || lpad(n::text, 12, '0'), 'state', case n when 1 then 'running' else 'queued' end))).*
    from generations g, generate_series(1, 299) n where g.key = ${key}`)
  const [last] = await test.core.database.rows<{ id: string; userId: string }>(sql`
    select id, user_id as "userId" from generations where key = ${key}`)
  const placeOf = async (of = '') => (await outcomeOf(test.core, null, of))?.position
  // the first one is being drawn
  expect(await Promise.all([copy(1), copy(50), copy(250), last?.id].map(placeOf))).toEqual([null, 49, 249, 299])
  expect(await requestsUnderWay(test.core, last?.userId ?? '', 1)).toMatchObject([{ id: last?.id, place: 299 }])
  expect(await queuedRequests(test.core, last?.userId ?? '', 9)).toMatchObject([{ id: last?.id, position: 299 }])
  expect(await queuedRequests(test.core, null, 2)).toMatchObject([
    { id: copy(2), position: 1 },
    { id: copy(3), position: 2 },
  ])
  await test.core.database.rows(sql`delete from generations where key like 'copy:%'`)
})

describe('the plan of', () => {
  const statements: [what: string, index: string, run: () => Promise<unknown>][] = [
    ['the edits of places', 'generations_unfinished', () => takePlaceEdits(core, 'fal')],
    ['the renewal of leases', 'generations_pkey', () => renewLeases(core, [{ id, attempt: 1 }])],
    ['taking up a request', 'generations_pkey', () => takeUp(core, id)],
    ['the load for estimates', 'generations_unfinished', () => core.expectations.before('fal', 1)],
    ['the load for metrics', 'generations_unfinished', () => unfinishedLoad(core.database)],
    ['how a request stands', 'generations_unfinished', () => outcomeOf(core, null, id)],
    ['its progress', 'generations_pkey', () => readProgress(core, id, progress)],
    ['a count of a lane', 'generations_unfinished', () => countIn(core, 'fal')],
    ['queued requests', 'generations_unfinished', () => queuedRequests(core, null, 100)],
    ['running requests', 'generations_unfinished', () => runningRequests(core, null, 100)],
    ["a person's requests under way", 'generations_of_user', () => requestsUnderWay(core, person, 10)],
    ['a page of the API', 'generations_of_user', () => outcomes(core, { userId: person, page: 1, limit: 20 })],
    ['the last entries', 'ledger_of_user', () => lastEntries(core, person, 5)],
    ['due webhooks', 'api_webhooks_due', () => findDueWebhooks(core, { hosts: [], accounts: [] })],
    ['old webhooks', 'api_webhooks_over', () => pruneWebhooks(core, () => false)],
    ['the old inbox', 'inbox_by_age', () => pruneInbox(core.database)],
    ['reports to show', 'reports_due', () => tellOfReports({ ...core, admins: ['test:root'] })],
    ['old sessions', 'web_sessions_by_expiry', () => forgetOldSessions(core.database)],
    ['an open page', 'web_messages_of_visitor', () => readChanges(core.database, 'web:1', { version: 1, id: '' })],
  ]

  it.each(statements)('%s uses %s', async (_, index, run) => {
    const plans = await plansOf(run)
    expect(plans.length).toBeGreaterThan(0)
    expect(plans.join('\n')).toContain(index)
    expect(plans.join('\n')).not.toMatch(
      /Seq Scan on (generations|ledger|images|inbox|api_webhooks|web_messages|web_sessions|reports)\b/,
    )
  })

  it('acts that arrived uses the index of unhandled ones', async () => {
    const plans = await plansOf(async () => {
      const database = { ...core.database, listen: async () => async () => {} }
      const inbox = await openInbox({ database, name: 'web', log: core.log, handle: async () => {} })
      await inbox.close(0)
    })
    expect(plans.join('\n')).toContain('inbox_unhandled')
  })

  it('everything that the sweeper does uses an index', async () => {
    const indexes = [
      'generations_unfinished',
      'users_to_clear',
      'images_by_age',
      'referrals_due',
      'object_deletions_by_time',
      'message_deletions_by_time',
    ]
    indexes.push(
      'uploads_by_age',
      'drafts_by_age',
      'role_claims_by_age',
      'pool_draws_with_member',
      'picture_offers_by_age',
    )
    indexes.push('api_requests_by_age', 'privacy_exports_by_expiry', 'link_codes_by_expiry', 'broadcasts_by_age')
    explained.length = 0
    const sweeper = keepSweeping(core, {
      hold: () => ({ lost: new AbortController().signal, done: () => {} }),
      stop: () => {},
    })
    for (const index of indexes) {
      await expect.poll(() => explained.some(({ plan }) => plan.includes(index)), { message: index }).toBe(true)
    }
    await sweeper.stop()
  })
})

// last, because the statistics change the plans of other statements
it('the requests for a model or in a state, in the history of a person with many others, come from an index of them', async () => {
  const { key } = await test.say('a hen')
  await test.core.database.rows(sql`
    insert into generations select (jsonb_populate_record(g, jsonb_build_object('key', 'copy:' || n,
      'id', '01000000-0000-7000-8000-' || lpad(n::text, 12, '0'), 'state', 'delivered', 'ended_at', now()))).*
    from generations g, generate_series(1, 3000) n where g.key = ${key}`)
  await test.core.database.rows(sql`analyze generations`)
  const [row] = await test.core.database.rows<{ owner: string }>(
    sql`select user_id as owner from generations where key = ${key}`,
  )
  for (const model of ['sketch', 'none']) {
    const plans = await plansOf(() => readHistory(core, row?.owner ?? '', { filter: { model } }))
    expect(plans.join('\n')).toContain('generations_of_user_by_model')
  }
  for (const [state, index] of [
    ['failed', 'generations_of_user_unsuccessful'],
    ['cancelled', 'generations_of_user_unsuccessful'],
    ['waiting', 'generations_unfinished'],
  ] as const) {
    const plans = await plansOf(() => readHistory(core, row?.owner ?? '', { filter: { state } }))
    expect([state, plans.join('\n')]).toEqual([state, expect.stringContaining(index)])
  }
})
