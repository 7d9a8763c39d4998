/** Limits concurrent deliveries, so that slow receivers and accounts with many of them do not delay the others. */
import type { DueWebhook } from '../../../core/programs/webhook-deliveries.ts'

type Delivery = Pick<DueWebhook, 'host' | 'userId'>

export interface Slots {
  /** False: no slot is free for it. */
  take(delivery: Delivery): boolean
  free(delivery: Delivery): void
  /** `all`: no slot is free at all. `hosts`, `accounts`: those that have taken all of theirs. */
  full(): { all: boolean; hosts: readonly string[]; accounts: readonly string[] }
}

const maxDeliveries = 64
const maxPerAccount = 32
const maxPerHost = 8

export function createSlots(): Slots {
  const hosts = new Map<string, number>()
  const accounts = new Map<string, number>()
  let taken = 0

  const fullOf = (counts: Map<string, number>, max: number) =>
    [...counts].filter(([, count]) => count >= max).map(([name]) => name)

  return {
    take({ host, userId }) {
      if (taken >= maxDeliveries || countOf(hosts, host) >= maxPerHost || countOf(accounts, userId) >= maxPerAccount) {
        return false
      }
      taken++
      add(hosts, host, 1)
      add(accounts, userId, 1)
      return true
    },
    free({ host, userId }) {
      taken--
      add(hosts, host, -1)
      add(accounts, userId, -1)
    },
    full: () => ({
      all: taken >= maxDeliveries,
      hosts: fullOf(hosts, maxPerHost),
      accounts: fullOf(accounts, maxPerAccount),
    }),
  }
}

const countOf = (counts: Map<string, number>, name: string) => counts.get(name) ?? 0

function add(counts: Map<string, number>, name: string, change: number): void {
  const count = countOf(counts, name) + change
  if (count === 0) counts.delete(name)
  else counts.set(name, count)
}
