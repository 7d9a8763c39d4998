/** Wakes what the queue forgot, ends what is overdue, deletes what is old. Any number of processes may sweep. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import { forgetOldLinkCodes } from '../accounts/link-codes.ts'
import { forgetOldDraws } from '../billing/pool.ts'
import { rewardReferrals } from '../billing/referrals.ts'
import { forgetOldClaims } from '../billing/roles.ts'
import { forgetOldBroadcasts } from '../broadcasts/broadcasts.ts'
import { forgetOldCalls } from '../chats/pace.ts'
import type { Core } from '../core.ts'
import { forgetOldDrafts } from '../generation/drafts.ts'
import { forgetBegunMessages } from '../generation/sent-messages.ts'
import { deleteDue } from '../media/deletions.ts'
import { createRetention, type Retention } from '../media/retention.ts'
import { forgetOldUploads } from '../media/uploads.ts'
import { clearClosedAccounts } from '../privacy/close.ts'
import { forgetOldExports } from '../privacy/export-links.ts'
import { forgetOldRequests } from '../programs/idempotency.ts'
import { forgetOldWrongKeys } from '../programs/wrong-keys.ts'
import { forgetOldFailures } from '../providers/failures.ts'
import { deleteDueMessages } from '../results/message-deletions.ts'
import { forgetOldOffers } from '../results/picture-offers.ts'
import { tellOfReports } from '../results/reports.ts'
import { createLanes, type Lanes } from './lanes.ts'
import type { Leases } from './leases.ts'
import { createResultOffers } from './offer-results.ts'
import { perform } from './perform.ts'

const everyMs = 1_000
/** A little less, so that a timer that fires early does not miss its round. */
const turnEvery = '0.9 seconds'
/** Rounds between two deletions of old rows and objects. */
const tidyEvery = 30
/** Rows of one round, and the pause before the same row is looked at again: waiting in the queue, or cut short. */
const batchSize = 200
/** A chat that does not answer must not keep the rest of the batch past their deadlines. */
const atOnce = 20
const queuedPause = '15 seconds'
const resumedPause = '2 seconds'
/** The sweeper handles a row past its deadline if its `wake_at` is further away than this. */
const overduePause = '10 seconds'
/** Time after the deadline in which a delivery may still be retried, because the chat asked for a pause (deliver.ts). */
const lastTry = '35 seconds'

export interface Sweeper {
  stop(): Promise<void>
}

export function keepSweeping(core: Core, leases: Leases): Sweeper {
  const stopping = new AbortController()
  const lanes = createLanes(core)
  const retention = createRetention(core)
  const offerResults = createResultOffers(core)
  let rounds = 0
  let busy = false
  let round: Promise<void> = Promise.resolve()
  let clearing: Promise<void> | undefined
  let offering: Promise<void> | undefined
  let telling: Promise<void> | undefined
  const timer = setInterval(() => {
    if (!busy) round = run()
  }, everyMs)

  async function run() {
    busy = true
    try {
      await lanes.record()
      if (await takeTurn(core)) {
        await wakeForgotten(core, leases, { lanes, signal: stopping.signal })
        offering ??= offer()
        telling ??= tell()
      }
      if (rounds++ % tidyEvery === 0) {
        clearing ??= clear()
        await tidy(core, retention)
      }
    } catch (error) {
      core.log.warn({ err: error }, 'a sweep failed; retrying')
    }
    busy = false
  }

  /** Beside the rounds: it waits for chats. */
  async function clear() {
    try {
      await clearClosedAccounts(core, stopping.signal)
    } catch (error) {
      core.log.warn({ err: error }, 'could not clear closed accounts; retrying')
    }
    await deleteDueMessages(core, stopping.signal)
    clearing = undefined
  }

  /** Beside the rounds: it waits for chats. */
  async function offer() {
    try {
      await offerResults()
    } catch (error) {
      core.log.warn({ err: error }, 'could not offer results; retrying')
    }
    offering = undefined
  }

  async function tell() {
    try {
      await tellOfReports(core)
    } catch (error) {
      core.log.warn({ err: error }, 'could not tell administrators of reports; retrying')
    }
    telling = undefined
  }

  return {
    stop: async () => {
      clearInterval(timer)
      stopping.abort()
      await round
      await clearing
      await offering
      await telling
    },
  }
}

/** One process looks for all in each round, because what it looks at grows with the queue. */
async function takeTurn({ database }: Core): Promise<boolean> {
  const taken = await database.rows(sql`
    insert into facts (name, value) values ('swept at', clock_timestamp()::text)
    on conflict (name) do update set value = excluded.value
      -- the clock of another database server may be behind
      where facts.value::timestamptz not between clock_timestamp() - ${turnEvery}::interval and clock_timestamp() + interval '5 s'
    returning name`)
  return taken.length > 0
}

const columns = columnsOf(
  {
    id: generations.id,
    lane: generations.provider,
    priority: generations.priority,
    resumed: typed<boolean>(sql`state <> 'queued'`),
    overdue: typed<boolean>(sql`deadline_at < now()`),
  },
  '',
)

interface Round {
  lanes: Lanes
  signal: AbortSignal
}

async function wakeForgotten(core: Core, leases: Leases, { lanes, signal }: Round): Promise<void> {
  const forgotten = await readRows(
    core.database,
    columns,
    (list) => sql`
      update generations
      set wake_at = now() + case
        when state = 'queued' and deadline_at >= now() then ${queuedPause} else ${resumedPause} end::interval
      where id in (
        select id from generations where ended_at is null and state in ('queued','running','stored')
          and (wake_at < now()
            or (deadline_at < now() and wake_at > greatest(now(), deadline_at + ${lastTry}::interval) + ${overduePause}::interval))
        order by wake_at limit ${batchSize} for update skip locked)
      returning ${list}`,
  )
  const abandoned = await lanes.abandoned(forgotten.map(({ lane }) => lane))
  const wake = async ({ overdue, ...job }: (typeof forgotten)[number]) => {
    try {
      // ends past its deadline even with the queue away; in an abandoned lane no worker would take it
      if (overdue || abandoned.has(job.lane)) await perform(core, leases, job.id, signal)
      else await core.queue.add(job)
    } catch (error) {
      core.log.warn({ id: job.id, err: error }, 'could not wake a generation; the next sweep retries')
    }
  }
  for (let at = 0; at < forgotten.length && !signal.aborted; at += atOnce) {
    await Promise.all(forgotten.slice(at, at + atOnce).map(wake))
  }
}

async function tidy(core: Core, retention: Retention): Promise<void> {
  await retention.expire()
  await rewardReferrals(core)
  await deleteDue(core)
  await forgetOldUploads(core)
  await forgetOldDrafts(core)
  await forgetOldClaims(core)
  await forgetOldDraws(core)
  await forgetOldOffers(core)
  await forgetOldRequests(core)
  await forgetOldExports(core)
  await forgetOldCalls(core.database)
  await forgetBegunMessages(core.database)
  await forgetOldLinkCodes(core.database)
  await forgetOldBroadcasts(core)
  await forgetOldWrongKeys(core.database)
  await forgetOldFailures(core.database)
}
