/**
 * Acts of people, from their arrival until they are handled. Any number of processes may receive the same act and work on
 * one inbox: an act is stored once and claimed by one process at a time, in order within its lane. A claim that runs out
 * (its process died, or hangs) is taken over by another process.
 */
import { type SQL, sql } from 'drizzle-orm'
import { asPutOff } from '../core/chats/pace.ts'
import { AppError, isPutOff } from '../core/errors.ts'
import { tracedFrom } from '../core/trace.ts'
import { columnsOf, readRows, typed } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import type { Json } from '../db/json.ts'
import { inbox } from '../db/schema/chats.ts'
import type { Log } from '../log.ts'
import {
  albumQuietMs,
  claimSeconds,
  finish,
  inboxChannel,
  postpone,
  pruneInbox,
  type Received,
  reclaim,
  storeActs,
} from './inbox-store.ts'
import { Later } from './show.ts'

export interface Inbox {
  /** Stores acts, in one statement; a repeated delivery changes nothing. Handling starts by itself. */
  store(acts: readonly Received[]): Promise<void>
  /** Takes no more acts; resolves when those being handled are done, or after `graceMs`. What is left stays stored. */
  close(graceMs: number): Promise<void>
}

export interface ActsInfo {
  /** Their album was handled before they arrived. */
  late: boolean
  /** It edits one of several messages of an album. */
  editsPart: boolean
}

export interface InboxOptions {
  database: Database
  /** Name of the surface; several bots of one platform have a name each, such as 'telegram:123'. */
  name: string
  log: Log
  /**
   * Handles one act, or the acts of one album in the order of their arrival. Rejects to try again. Resolves to 'not_ours' if the
   * album is not for the bot, so that later parts of it are not refused.
   */
  handle(bodies: Json[], about: ActsInfo): Promise<unknown>
  /**
   * Age, in milliseconds, of the latest moment up to which all acts are received. An album is handled only if that moment is later than
   * the storing of its last part. undefined: the platform may still hold acts. Default: the platform sends acts without being asked.
   */
  upToDateMs?(): number | undefined
  /** Seconds after which an act is too old to be answered. Default: a day. */
  oldestSeconds?: number
  /** Acts handled by this process at the same time. */
  maxAtOnce?: number
}

/** Notifications may be lost, and an act may become due without one. */
const pollMs = 1_000
const retryMs = 5_000
const longestRetryMs = 60_000
/** Age of an act after which an answer that has found no room in its chat is given up. */
const answerWithinMs = 15 * 60_000
/** Acts that wait in this process for room in their chats. Those beyond are handled from the start. */
const maxPaused = 1_000
const daySeconds = 86_400
const pruneEveryMs = 3_600_000

export async function openInbox(options: InboxOptions): Promise<Inbox> {
  const { database, name, log, handle, oldestSeconds = daySeconds, maxAtOnce = 50, upToDateMs = () => 0 } = options
  const handling = new Map<string, Handling>()
  const paused = new Map<string, { keys: readonly string[]; timer: NodeJS.Timeout }>()
  let closed = false
  let looking: Promise<void> | undefined
  let lookAgain = false

  /** One look at a time; what arrives meanwhile leads to another one. */
  function look(): void {
    lookAgain = true
    if (closed || looking) return
    looking = claimAll().finally(() => {
      looking = undefined
      if (lookAgain) look()
    })
  }

  async function claimAll(): Promise<void> {
    lookAgain = false
    try {
      const free = maxAtOnce - handling.size
      if (free <= 0) return
      const rows = await claim(database, { name, oldestSeconds, limit: free, upToDateMs: upToDateMs() })
      for (const group of groupsOf(rows)) start(group)
      if (rows.length > 0) lookAgain = true
    } catch (error) {
      log.warn({ err: error, inbox: name }, 'could not read the inbox; retrying')
    }
  }

  function start(rows: readonly Claimed[]): void {
    const { late = false, editsPart = false, ageMs = 0, isAgain = false } = rows[0] ?? {}
    const bodies = rows.map(({ body }) => body)
    const act = { keys: rows.map(({ key }) => key), until: Date.now() + answerWithinMs - ageMs }
    const span = { agoMs: ageMs, surface: name, count: rows.length }
    const step = () => tracedFrom('receive', span, () => handle(bodies, { late, editsPart }))
    run(act, isAgain ? () => asPutOff(step) : step)
  }

  function run(act: Taken, step: () => Promise<unknown>): void {
    const { keys } = act
    const id = keys[0] ?? ''
    const renewing = setInterval(
      () => {
        renew(database, keys).catch((error: unknown) => log.warn({ err: error }, 'could not renew a claim; retrying'))
      },
      (claimSeconds * 1000) / 3,
    )
    const work = handleAct(act, step).finally(() => {
      clearInterval(renewing)
      handling.delete(id)
      look()
    })
    handling.set(id, { keys, work, renewing })
  }

  async function handleAct(act: Taken, step: () => Promise<unknown>): Promise<void> {
    const { keys } = act
    try {
      const verdict = await step()
      await finish(database, keys, { keepAlbum: verdict !== 'not_ours' })
    } catch (error) {
      if (error instanceof Later) return continueLater(act, error)
      if (error instanceof AppError && !error.retry) {
        log.warn({ kind: error.kind, inbox: name }, 'an act was not answered')
        await finish(database, keys, { keepAlbum: true }).catch(() => undefined)
        return
      }
      log.error({ err: error, inbox: name }, 'an act was not handled; retrying')
      const pauseMs = isPutOff(error) ? Math.min(error.retryAfterMs, longestRetryMs) : retryMs
      await postpone(database, keys, pauseMs).catch(() => undefined)
    }
  }

  /** Does not count towards `maxAtOnce`. */
  async function continueLater(act: Taken, { afterMs, again, isAnswered }: Later): Promise<void> {
    const { keys, until } = act
    let claimed: string | undefined
    try {
      const isOver = Date.now() + afterMs > until
      const isFull = paused.size >= maxPaused
      if (isOver) log.warn({ inbox: name }, 'an act was not answered: its chat had no room')
      if (isAnswered || isOver) await finish(database, keys, { keepAlbum: true })
      else claimed = await postpone(database, keys, closed ? 0 : isFull ? afterMs : afterMs + claimSeconds * 1000)
      if (isOver || closed || (isFull && !isAnswered)) return
    } catch (error) {
      log.warn({ err: error, inbox: name }, 'could not postpone an act; it is handled again')
      return
    }
    const [id = ''] = keys
    const goOn = async () => {
      paused.delete(id)
      const isOurs = isAnswered || (await reclaim(database, keys, claimed))
      if (isOurs && !closed) run(act, again)
    }
    const timer = setTimeout(() => {
      goOn().catch((error: unknown) => log.warn({ err: error }, 'could not renew a claim; the act is handled again'))
    }, afterMs)
    paused.set(id, { keys: isAnswered ? [] : keys, timer })
  }

  const unlisten = await database.listen(inboxChannel, (arrived) => arrived === name && look())
  const prune = () =>
    void pruneInbox(database).catch((error: unknown) => log.warn({ err: error }, 'could not prune the inbox'))
  const timers = [setInterval(look, pollMs), setInterval(prune, pruneEveryMs)]
  for (const timer of timers) timer.unref()
  look()

  return {
    store: (acts) => storeActs(database, name, acts),
    async close(graceMs) {
      closed = true
      for (const timer of timers) clearInterval(timer)
      for (const { timer } of paused.values()) clearTimeout(timer)
      const left = [...paused.values()].flatMap(({ keys }) => keys)
      if (left.length > 0) await postpone(database, left, 0).catch(() => undefined)
      await unlisten()
      await looking
      let timer: NodeJS.Timeout | undefined
      const patience = new Promise((resolve) => {
        timer = setTimeout(resolve, graceMs)
      })
      await Promise.race([Promise.allSettled([...handling.values()].map(({ work }) => work)), patience])
      clearTimeout(timer)
      // another process may have at once what is not done by now
      for (const { keys, renewing } of handling.values()) {
        clearInterval(renewing)
        await postpone(database, keys, 0).catch(() => undefined)
      }
    },
  }
}

interface Taken {
  keys: string[]
  /** Unix milliseconds after which its answer is given up. */
  until: number
}

interface Handling {
  keys: readonly string[]
  work: Promise<void>
  renewing: NodeJS.Timeout
}

const columns = columnsOf(
  {
    key: inbox.key,
    lane: inbox.lane,
    album: inbox.album,
    body: typed<Json>(inbox.body),
    position: inbox.position,
    /** Since it arrived. */
    ageMs: typed<number>(sql`(extract(epoch from now() - inbox.received_at) * 1000)::float8`),
    /** A process had it before, so that its answer may have been put off. */
    isAgain: typed<boolean>(
      sql`(select before.claimed_until is not null from inbox before where before.key = inbox.key)`,
    ),
    /** Its album was handled before it arrived. */
    late: typed<boolean>(sql`exists (select from inbox other
      where other.surface = inbox.surface and other.album = inbox.album and other.handled_at is not null)`),
    editsPart: typed<boolean>(sql`exists (select from inbox edited, inbox other
      where edited.surface = inbox.surface and edited.message = inbox.message and edited.key <> inbox.key
        and other.surface = edited.surface and other.album = edited.album and other.key <> edited.key)`),
  },
  'inbox',
)

type Claimed = NonNullable<(typeof columns)['row']>

interface Claiming {
  name: string
  oldestSeconds: number
  limit: number
  upToDateMs: number | undefined
}

/** The first unhandled act of each lane that is due and not claimed, with the other parts of its album. */
function claim(database: Database, { name, oldestSeconds, limit, upToDateMs }: Claiming): Promise<Claimed[]> {
  // an album without new parts is due `albumQuietMs` after its last part was stored
  const isComplete =
    upToDateMs === undefined
      ? sql`false`
      : sql`due_at - ${`${albumQuietMs} milliseconds`}::interval < now() - ${`${upToDateMs} milliseconds`}::interval`
  const oldest = sql`now() - ${`${oldestSeconds} seconds`}::interval`
  return readRows(
    database,
    columns,
    (list) => sql`
      with heads as (
        select key, album from inbox i
        where surface = ${name} and handled_at is null and due_at <= now() and received_at > ${oldest}
          and (claimed_until is null or claimed_until < now()) and (album is null or ${isComplete})
          and not exists (
            select from inbox earlier
            where earlier.surface = i.surface and earlier.lane = i.lane and earlier.handled_at is null
              and earlier.received_at > ${oldest} and earlier.position < i.position and not ${isPaused(sql`earlier`)})
        order by position limit ${limit} for update skip locked)
      update inbox set claimed_until = now() + ${`${claimSeconds} seconds`}::interval
      where handled_at is null and (claimed_until is null or claimed_until < now())
        and (key in (select key from heads)
          or (surface = ${name} and album in (select album from heads where album is not null)))
      returning ${list}`,
  )
}

/** Single acts, and the parts of an album together, in the order of their arrival. */
function groupsOf(rows: readonly Claimed[]): Claimed[][] {
  const groups = new Map<string, Claimed[]>()
  for (const row of rows.toSorted((a, b) => a.position - b.position)) {
    const name = row.album === null ? `act ${row.key}` : `album ${row.album}`
    groups.set(name, [...(groups.get(name) ?? []), row])
  }
  return [...groups.values()]
}

/**
 * Its answer waits for room in its chat. What it does is done, so that later acts go on. The claim of an act that is being handled ends
 * within `claimSeconds`; a second more allows for statements that began a moment before that claim.
 */
const isPaused = (act: SQL) =>
  sql`coalesce(${act}.claimed_until > now() + ${`${claimSeconds + 1} seconds`}::interval, false)`

const renew = (database: Database, keys: readonly string[]) => postpone(database, keys, claimSeconds * 1000)
