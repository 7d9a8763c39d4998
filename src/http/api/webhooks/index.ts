/**
 * Delivers webhooks when requests have ended: retries until the receiver accepts, or for a day. Each webhook is delivered at
 * least once, always with the same id. Any number of processes may run it.
 */
import type { Core } from '../../../core/core.ts'
import { webhooksChannel } from '../../../core/generation/end.ts'
import type { Outcome } from '../../../core/history/outcome.ts'
import {
  findDueWebhooks,
  type LeasedWebhook,
  leaseWebhooks,
  pruneWebhooks,
  returnLease,
  saveDelivered,
  saveProblem,
} from '../../../core/programs/webhook-deliveries.ts'
import type { Lookup } from '../../../net/guard.ts'
import { createPoster } from '../../../net/post.ts'
import { deliver, type Sender } from './deliver.ts'
import { createSlots } from './slots.ts'

export interface Webhooks {
  /** Starts no more deliveries. Those under way get `graceMs`, then other processes may repeat them. */
  stop(): Promise<void>
}

export interface WebhookOptions {
  /** Body of the webhook of a request that has ended. */
  eventOf(outcome: Outcome): Promise<object>
  /** Origins that may be private, http, or at any port. Default none; no setting sets them. */
  trusted?: readonly string[]
  lookup?: Lookup
  /** Milliseconds for one attempt. Default 10,000. */
  timeoutMs?: number
  /** Default 3,000. */
  graceMs?: number
}

/** Notifications may get lost, and retries become due without one. */
const pollEveryMs = 3_000
const pruneEveryMs = 600_000

export async function startWebhooks(core: Core, options: WebhookOptions): Promise<Webhooks> {
  const { eventOf, trusted = [], lookup, timeoutMs, graceMs = 3_000 } = options
  const poster = createPoster({ trusted, lookup })
  const slots = createSlots()
  const underWay = new Set<Promise<void>>()
  const stopping = new AbortController()
  let stopped = false
  let polling: Promise<void> | undefined
  let pruning: Promise<void> | undefined
  let pollAgain = false
  // some webhook is due for which there was no slot
  let blocked = false

  function poll(): void {
    pollAgain = true
    polling ??= pollWhileAsked().finally(() => {
      polling = undefined
      // a call between the last check and here was not seen
      if (pollAgain && !stopped) poll()
    })
  }

  async function pollWhileAsked(): Promise<void> {
    try {
      while (pollAgain && !stopped) {
        pollAgain = false
        // more may be due than one look-up returns
        if ((await startDeliveries()) > 0) pollAgain = true
      }
    } catch (error) {
      core.log.warn({ err: error }, 'could not read due webhooks; retrying')
    }
  }

  /** Resolves to how many it started. */
  async function startDeliveries(): Promise<number> {
    const full = slots.full()
    blocked = full.all || full.hosts.length + full.accounts.length > 0
    if (full.all) return 0
    const due = await findDueWebhooks(core, full)
    const chosen = due.filter((each) => slots.take(each))
    blocked ||= chosen.length < due.length
    const leased = await leaseWebhooks(core, chosen).catch((error: unknown) => {
      chosen.forEach(slots.free)
      throw error
    })
    const ours = new Set(leased.map(({ generationId }) => generationId))
    for (const each of chosen) if (!ours.has(each.generationId)) slots.free(each)
    for (const each of leased) {
      const delivery = deliverOne({ core, eventOf, poster, timeoutMs, signal: stopping.signal }, each).finally(() => {
        underWay.delete(delivery)
        slots.free(each)
        if (blocked) poll()
      })
      underWay.add(delivery)
    }
    return leased.length
  }

  function prune(): void {
    pruning ??= pruneWebhooks(core, () => stopped)
      .catch((error: unknown) => core.log.warn({ err: error }, 'could not delete old webhooks; retrying later'))
      .finally(() => {
        pruning = undefined
      })
  }

  const unlisten = await core.database.listen(webhooksChannel, poll)
  const timers = [setInterval(poll, pollEveryMs), setInterval(prune, pruneEveryMs)]
  poll()

  return {
    async stop() {
      stopped = true
      for (const timer of timers) clearInterval(timer)
      await unlisten()
      await Promise.all([polling, pruning])
      const grace = setTimeout(() => stopping.abort(new Error('this process stops')), graceMs)
      await Promise.all(underWay)
      clearTimeout(grace)
      await poster.close()
    },
  }
}

/** Never rejects: a webhook whose result could not be saved is due again when its lease runs out. */
async function deliverOne(sender: Sender, webhook: LeasedWebhook): Promise<void> {
  const { core } = sender
  const { generationId: id, host, attempt } = webhook
  try {
    const result = await deliver(sender, webhook)
    if (result === 'delivered') return await saveDelivered(core, webhook)
    if (result === 'aborted') return await returnLease(core, webhook)
    if (!(await saveProblem(core, webhook, result))) return
    const final = result.retryInSeconds === undefined
    core.log[final ? 'warn' : 'debug'](
      { id, host, attempt, final, problem: result.problem },
      'could not deliver a webhook',
    )
  } catch (error) {
    core.log.warn({ id, err: error }, 'could not save the result of a webhook delivery; it will be repeated')
  }
}
