/**
 * `npx tsx bench/statements.ts [ended] [queued]`: the plan and the milliseconds of every statement that runs again and again: in rounds,
 * or because clients poll. It needs `TEST_DATABASE_URL`. `PLANS=1` prints the plans.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type SQL, sql, TransactionRollbackError } from 'drizzle-orm'
import { openInbox } from '../src/bots/inbox.ts'
import { pruneInbox } from '../src/bots/inbox-store.ts'
import { pruneWebMessages } from '../src/bots/web/messages.ts'
import { forgetOldSessions } from '../src/core/accounts/sessions.ts'
import { broadcastsToShow, broadcastToSend } from '../src/core/broadcasts/broadcasts.ts'
import type { Core } from '../src/core/core.ts'
import { takePlaceEdits } from '../src/core/generation/place-edits.ts'
import {
  countIn,
  queuedRequests,
  requestsUnderWay,
  runningRequests,
  unfinishedLoad,
} from '../src/core/history/backlog.ts'
import { createExpectations } from '../src/core/history/expectations.ts'
import { outcomeOf } from '../src/core/history/outcome.ts'
import { createRetention } from '../src/core/media/retention.ts'
import { readProgress } from '../src/core/programs/progress.ts'
import { findDueWebhooks, pruneWebhooks } from '../src/core/programs/webhook-deliveries.ts'
import { renewLeases } from '../src/core/worker/leases.ts'
import { keepNarratingQueue } from '../src/core/worker/narrate-queue.ts'
import { keepSweeping } from '../src/core/worker/sweep.ts'
import { takeUp } from '../src/core/worker/take-up.ts'
import { openDatabase } from '../src/db/open.ts'
import { createDatabase } from '../tests/helpers/backends.ts'
import { explaining } from '../tests/helpers/plans.ts'
import { printTable, say } from './parts/figures.ts'
import { fill, fillQueue, otherId } from './parts/fill.ts'

const [ended = 300_000, queued = 5_000] = process.argv.slice(2).map(Number)
const running = 20
const times = 20

const onServer = await createDatabase()
const database = await openDatabase({ url: onServer.url, dataDir: '' })
const found: { name: string; ms: number; plan: string }[] = []
try {
  await fill({ database } as Core, ended, ended)
  await fillQueue({ database }, { after: ended, queued, running })
  await database.rows(sql`update generations set narrated_at = now(), narrated_place = 5 where state = 'queued'`)
  await database.rows(sql`vacuum analyze generations`)
  const plans = explaining(database, { explain, runs: ['takeTurn'] })
  const core = {
    database: plans.database,
    limits: { deadlineMs: 840_000, goneMs: 60_000, referral: 5, pictureDays: 30 },
    providers: { all: () => [{ provider: { name: 'fal' } }, { provider: { name: 'ark' } }], get: () => undefined },
    surfaces: new Map(),
    log: { warn: (data: object, text: string) => say(`${text} ${JSON.stringify(data)}`) },
  } as unknown as Core
  await run(core)
  for (const { callers, plan } of plans.explained) {
    const [measured] = JSON.parse(plan) as [{ plan: object; ms: number }]
    found.push({ name: callers.slice(0, 3).join(' < '), ms: measured.ms, plan: JSON.stringify(measured.plan) })
  }
} finally {
  await database.close()
  await onServer.drop()
}
printTable([['statement', 'ms', 'nodes'], ...found.map(({ name, ms, plan }) => [name, ms.toFixed(2), nodesOf(plan)])])
process.exit()

async function run(core: Core): Promise<void> {
  const sweeper = keepSweeping(core, {} as never)
  const narrator = keepNarratingQueue(core)
  await sleep(3_000)
  await narrator.stop()
  await sweeper.stop()
  const [one] = await database.rows<{ id: string }>(sql`
    select id from generations where state = 'queued' and provider = 'fal' order by priority desc, id desc limit 1`)
  const id = one?.id ?? ''
  await takePlaceEdits(core, 'fal')
  const held = await database.rows<{ id: string; attempt: number }>(
    sql`select id, attempt from generations where state = 'running'`,
  )
  await renewLeases(core, held)
  await takeUp(core, id)
  const expectations = createExpectations(core.database)
  await expectations.usual({ model: '', provider: '', endpoint: '' })
  await expectations.before('fal', 5)
  await unfinishedLoad(core.database)
  await outcomeOf(core, null, id)
  await readProgress(core, id, {
    seen: { state: 'queued', percent: null, version: null, preview: null },
    withPreview: true,
  })
  await countIn(core, 'fal')
  await queuedRequests(core, null, 100)
  await queuedRequests(core, otherId, 100)
  await runningRequests(core, null, 100)
  await runningRequests(core, otherId, 100)
  await requestsUnderWay(core, otherId, 20)
  await createRetention(core).expire()
  await findDueWebhooks(core, { hosts: [], accounts: [] })
  await pruneWebhooks(core, () => false)
  await pruneInbox(core.database)
  const inbox = await openInbox({
    database: { ...core.database, listen: async () => async () => {} },
    name: 'web',
    log: core.log as never,
    handle: async () => {},
  })
  await sleep(1_000)
  await inbox.close(0)
  await pruneWebMessages(core.database, 90)
  await forgetOldSessions(core.database)
  await broadcastsToShow(core, ['telegram'])
  await broadcastToSend(core, ['telegram'])
}

/** The least of several times, planning included, because other work on the machine interrupts longer ones. Nothing changes. */
async function explain(statement: SQL): Promise<string> {
  const taken: number[] = []
  let plan: object = {}
  for (let n = 0; n < times; n++) {
    await database.db
      .transaction(async (tx) => {
        const [row] = await database.rows<{ 'QUERY PLAN': Measured[] }>(
          sql`explain (analyze, buffers, format json) ${statement}`,
          tx,
        )
        const [measured] = row?.['QUERY PLAN'] ?? []
        if (!measured) throw new Error('no plan')
        taken.push(measured['Planning Time'] + measured['Execution Time'])
        plan = measured.Plan
        tx.rollback()
      })
      .catch((error: unknown) => {
        if (!(error instanceof TransactionRollbackError)) throw error
      })
  }
  return JSON.stringify([{ plan, ms: Math.min(...taken) }])
}

interface Measured {
  Plan: object
  'Planning Time': number
  'Execution Time': number
}

function nodesOf(plan: string): string {
  const nodes = [
    ...plan.matchAll(/"Node Type":"([^"]+)"[^{}]*?(?:"Relation Name":"(\w+)"|"Index Name":"(\w+)")[^{}]*/g),
  ]
  return nodes
    .map(([whole, type]) => {
      const of = (name: string) => new RegExp(`"${name}":"?([\\w.]+)`).exec(whole)?.[1]
      return `${type} ${of('Index Name') ?? of('Relation Name')} ${of('Actual Rows')}`
    })
    .join(', ')
}
