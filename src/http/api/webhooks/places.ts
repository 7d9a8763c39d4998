/** How many are told at the same time: slow receivers, and accounts with many of them, do not hold up the others. */
import type { Due } from './due.ts'

type Place = Pick<Due, 'host' | 'userId'>

export interface Places {
  /** False: there is none for it now. */
  take(due: Place): boolean
  give(due: Place): void
  /** Who has no place left; `all`: nobody has. */
  full(): { all: boolean; hosts: readonly string[]; accounts: readonly string[] }
}

const mostAtOnce = 64
const mostOfAccount = 32
const mostOfHost = 8

export function createPlaces(): Places {
  const hosts = new Map<string, number>()
  const accounts = new Map<string, number>()
  let taken = 0

  const fullOf = (counts: Map<string, number>, most: number) =>
    [...counts].filter(([, count]) => count >= most).map(([name]) => name)

  return {
    take({ host, userId }) {
      if (taken >= mostAtOnce || countOf(hosts, host) >= mostOfHost || countOf(accounts, userId) >= mostOfAccount) {
        return false
      }
      taken++
      add(hosts, host, 1)
      add(accounts, userId, 1)
      return true
    },
    give({ host, userId }) {
      taken--
      add(hosts, host, -1)
      add(accounts, userId, -1)
    },
    full: () => ({
      all: taken >= mostAtOnce,
      hosts: fullOf(hosts, mostOfHost),
      accounts: fullOf(accounts, mostOfAccount),
    }),
  }
}

const countOf = (counts: Map<string, number>, name: string) => counts.get(name) ?? 0

function add(counts: Map<string, number>, name: string, change: number): void {
  const count = countOf(counts, name) + change
  if (count === 0) counts.delete(name)
  else counts.set(name, count)
}
