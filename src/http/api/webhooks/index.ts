/**
 * Programs that want to be told when their requests have ended, are told: by whatever process looks first, again and again
 * until they have taken it, or for a day. At least once; the id of a message stays the same.
 */
import { webhooksChannel } from '../../../core/generation/end.ts'
import type { Lookup } from '../../../net/guard.ts'
import { createPoster } from '../../../net/post.ts'
import type { ApiParts } from '../parts.ts'
import { findDue, handBack, type Leased, lease, prune, saveProblem, saveTold } from './due.ts'
import { createPlaces } from './places.ts'
import { type Telling, tell } from './tell.ts'

export interface Webhooks {
  /** Takes no more; those under way get `graceMs`, then others may have them. */
  stop(): Promise<void>
}

export interface WebhookOptions {
  /** Origins that are told although they are private, http, or at a port. No setting names any. Default none. */
  trusted?: readonly string[]
  lookup?: Lookup
  /** Of one try. Default 10 s. */
  timeoutMs?: number
  /** Default 3 s. */
  graceMs?: number
}

/** Notifications may get lost, and a second try comes unannounced. */
const lookEveryMs = 3_000
const pruneEveryMs = 600_000

/** Any number of processes may run it. */
export async function startWebhooks(parts: ApiParts, options: WebhookOptions = {}): Promise<Webhooks> {
  const { trusted = [], lookup, timeoutMs, graceMs = 3_000 } = options
  const { core } = parts
  const poster = createPoster({ trusted, lookup })
  const places = createPlaces()
  const underWay = new Set<Promise<void>>()
  const stopping = new AbortController()
  let stopped = false
  let looking: Promise<void> | undefined
  let tidying: Promise<void> | undefined
  let lookAgain = false
  // somebody is due for whom there was no place
  let waiting = false

  function look(): void {
    lookAgain = true
    looking ??= lookWhileAsked().finally(() => {
      looking = undefined
      // asked for after the last look at whether it was
      if (lookAgain && !stopped) look()
    })
  }

  async function lookWhileAsked(): Promise<void> {
    try {
      while (lookAgain && !stopped) {
        lookAgain = false
        // there may be more than are looked at in one go
        if ((await begin()) > 0) lookAgain = true
      }
    } catch (error) {
      core.log.warn({ err: error }, 'who wants to be told of an end was not found out; the next look tries again')
    }
  }

  /** How many it began to tell. */
  async function begin(): Promise<number> {
    const full = places.full()
    waiting = full.all || full.hosts.length + full.accounts.length > 0
    if (full.all) return 0
    const found = await findDue(core, full)
    const chosen = found.filter((due) => places.take(due))
    waiting ||= chosen.length < found.length
    const leased = await lease(core, chosen).catch((error: unknown) => {
      chosen.forEach(places.give)
      throw error
    })
    const ours = new Set(leased.map(({ generationId }) => generationId))
    for (const due of chosen) if (!ours.has(due.generationId)) places.give(due)
    for (const due of leased) {
      const telling = tellOne({ parts, poster, timeoutMs, signal: stopping.signal }, due).finally(() => {
        underWay.delete(telling)
        places.give(due)
        if (waiting) look()
      })
      underWay.add(telling)
    }
    return leased.length
  }

  function tidy(): void {
    tidying ??= prune(core, () => stopped)
      .catch((error: unknown) => core.log.warn({ err: error }, 'old webhooks were not deleted'))
      .finally(() => {
        tidying = undefined
      })
  }

  const unlisten = await core.database.listen(webhooksChannel, look)
  const timers = [setInterval(look, lookEveryMs), setInterval(tidy, pruneEveryMs)]
  look()

  return {
    async stop() {
      stopped = true
      for (const timer of timers) clearInterval(timer)
      await unlisten()
      await Promise.all([looking, tidying])
      const patience = setTimeout(() => stopping.abort(new Error('this process stops')), graceMs)
      await Promise.all(underWay)
      clearTimeout(patience)
      await poster.close()
    },
  }
}

/** Never rejects: what could not be saved is due again when its lease runs out. */
async function tellOne(telling: Telling, due: Leased): Promise<void> {
  const { core } = telling.parts
  const { generationId: id, host, tries } = due
  try {
    const told = await tell(telling, due)
    if (told === 'told') return await saveTold(core, due)
    if (told === 'broken off') return await handBack(core, due)
    if (!(await saveProblem(core, due, told))) return
    const over = told.againSeconds === undefined
    core.log[over ? 'warn' : 'debug'](
      { id, host, tries, over, problem: told.problem },
      'a program was not told of an end',
    )
  } catch (error) {
    core.log.warn({ id, err: error }, 'whether a program was told of an end was not saved; it is told again')
  }
}
