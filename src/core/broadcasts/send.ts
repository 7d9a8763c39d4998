/**
 * Sends broadcasts, and shows the administrator how they stand. Of all processes one does; another takes its place when it stops
 * or dies. A call that was under way then is not repeated, since it may have arrived: a person gets a broadcast once at most.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { keepLease } from '../../db/lease.ts'
import { asPutOff } from '../chats/pace.ts'
import type { Core } from '../core.ts'
import { asAppError } from '../errors.ts'
import type { Announced, Announcer, Reply } from '../ports/chat.ts'
import { type Broadcast, broadcastsToShow, broadcastToSend, saveShown } from './broadcasts.ts'
import {
  type Claimed,
  claimRecipient,
  endIfComplete,
  giveUpLost,
  readStanding,
  type Standing,
  saveOutcome,
} from './recipients.ts'

/** How broadcasts look. */
export interface BroadcastLooks {
  announcement(broadcast: Broadcast, locale: string): Reply
  status(broadcast: Broadcast, standing: Standing): Reply
}

export interface Broadcasting {
  /** Starts no more calls, and waits for those under way. */
  stop(): Promise<void>
}

const everyMs = 1_000
/** Between two edits of the message that shows how a broadcast stands. */
const showEveryMs = 3_000
/** Between two looks for room. */
const lookMs = 50
/**
 * Calls at once, which is also how many calls a crash may leave unknown. Together with the room for announcements it is less than
 * what the platform permits in a second, so that calls which arrive late and together stay within that.
 */
const atOnce = 8
/** How often, and after which pause, an outcome is saved anew while the database is away. */
const savings = 10
const savePauseMs = 500

export async function keepBroadcasting(core: Core, looks: BroadcastLooks): Promise<Broadcasting> {
  const announcers = [...core.surfaces.values()].filter(({ announcer }) => announcer).map(({ name }) => name)
  if (announcers.length === 0) return { stop: async () => undefined }
  const stopping = new AbortController()
  const lease = await keepLease({ database: core.database, name: 'broadcasts', onChange: () => undefined })
  const mayWork = () => lease.held() && !stopping.signal.aborted
  const showDue = createStatus(core, looks, announcers)
  const sendDue = createSending(core, looks, { announcers, mayWork })
  const stops = [repeat(showDue), repeat(sendDue)]

  function repeat(work: () => Promise<void>): () => Promise<void> {
    let round: Promise<void> | undefined
    const timer = setInterval(() => {
      if (round || !mayWork()) return
      round = work()
        .catch((error: unknown) => core.log.warn({ err: error }, 'could not continue a broadcast; retrying'))
        .finally(() => {
          round = undefined
        })
    }, everyMs)
    return async () => {
      clearInterval(timer)
      await round
    }
  }

  return {
    stop: async () => {
      stopping.abort()
      await Promise.all(stops.map((stop) => stop()))
      await lease.release().catch(() => undefined)
    },
  }
}

/** Only this process edits these messages, so an older state never comes after a newer one. */
function createStatus(core: Core, looks: BroadcastLooks, announcers: readonly string[]): () => Promise<void> {
  const shownAt = new Map<string, number>()

  async function showOne(broadcast: Broadcast): Promise<void> {
    const { id, posted, surface: name, state, shown } = broadcast
    const surface = core.surfaces.get(name)
    if (!surface || posted === null || Date.now() - (shownAt.get(id) ?? 0) < showEveryMs) return
    const isProgress = state === shown
    if (isProgress && (await surface.takeRoom?.(posted)) === false) return
    shownAt.set(id, Date.now())
    const status = looks.status(broadcast, await readStanding(core, id))
    try {
      // the edit of a waiting message is tried once, and briefly; the end of a broadcast is tried until it is shown
      if (isProgress) await surface.edit(posted, { ...status, state: 'waiting' })
      else await asPutOff(() => surface.edit(posted, status))
    } catch (error) {
      const { kind } = asAppError(error)
      core.log.debug({ id, kind }, 'could not show how a broadcast stands')
      if (kind !== 'chat_refused') return
    }
    if (!isProgress) {
      await saveShown(core, broadcast)
      // the next change is shown at once
      shownAt.delete(id)
    }
  }

  return async () => {
    for (const broadcast of await broadcastsToShow(core, announcers)) await showOne(broadcast)
  }
}

interface Sending {
  announcers: readonly string[]
  mayWork(): boolean
}

function createSending(core: Core, looks: BroadcastLooks, { announcers, mayWork }: Sending): () => Promise<void> {
  /** The platform did not answer the last call. */
  let isInDoubt = false

  return async () => {
    const broadcast = await broadcastToSend(core, announcers)
    const announcer = broadcast && core.surfaces.get(broadcast.surface)?.announcer
    if (!announcer) return
    await giveUpLost(core, broadcast.id)
    // while a platform is down, each call would leave one more person in doubt
    if (isInDoubt && !(await announcer.answers())) return
    isInDoubt = false
    const underWay = new Set<Promise<void>>()
    try {
      while (mayWork() && !isInDoubt) {
        const claimed = underWay.size < atOnce ? await nextFor(broadcast, announcer) : 'wait'
        if (claimed === undefined) break
        if (claimed === 'wait') await Promise.race([...underWay, pause(lookMs)])
        else if (claimed.state === 'sending') start(underWay, sendOne(broadcast, announcer, claimed))
      }
    } finally {
      await Promise.all(underWay)
    }
    await endIfComplete(core, broadcast.id)
  }

  async function nextFor({ id }: Broadcast, announcer: Announcer): Promise<Claimed | 'wait' | undefined> {
    if (!(await announcer.takeRoom())) return 'wait'
    return claimRecipient(core, id)
  }

  async function sendOne(broadcast: Broadcast, announcer: Announcer, { person, locale }: Claimed): Promise<void> {
    const { id, surface } = broadcast
    const outcome = await announcer.send(person, looks.announcement(broadcast, locale))
    if (outcome.how === 'later' || outcome.how === 'unknown') isInDoubt = true
    core.meter?.announced(surface, outcome.how)
    await save({ id, person, outcome })
  }

  /** What cannot be saved stays `sending`, and is given up as unknown. */
  async function save(ended: { id: string; person: string; outcome: Announced }): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await saveOutcome(core, ended)
      } catch (error) {
        if (tries === savings) return core.log.error({ id: ended.id, err: error }, 'could not save an outcome')
      }
      await pause(savePauseMs)
    }
  }
}

function start(underWay: Set<Promise<void>>, work: Promise<void>): void {
  const tracked = work.finally(() => underWay.delete(tracked))
  underWay.add(tracked)
}
