/** How often strangers may try to guess something: so many times a minute from each address. */
import ipaddr from 'ipaddr.js'

export interface Tries {
  /** Until the next one may be made; 0: it may be made now. */
  waitSeconds(address: string): number
  count(address: string): void
}

const minuteMs = 60_000
const rememberedAddresses = 10_000

/** With more addresses than we can remember, new ones have to wait. */
export function createTries(perMinute: number): Tries {
  const tries = new Map<string, { count: number; until: number }>()

  const isFull = (now: number) => {
    if (tries.size < rememberedAddresses) return false
    for (const [each, { until }] of tries) if (until <= now) tries.delete(each)
    return tries.size >= rememberedAddresses
  }

  return {
    waitSeconds(address) {
      const now = Date.now()
      const before = tries.get(networkOf(address))
      if (before && before.until > now) return before.count < perMinute ? 0 : Math.ceil((before.until - now) / 1000)
      return isFull(now) ? minuteMs / 1000 : 0
    },
    count(address) {
      const now = Date.now()
      const network = networkOf(address)
      const before = tries.get(network)
      if (before && before.until > now) before.count++
      else if (!isFull(now)) tries.set(network, { count: 1, until: now + minuteMs })
    },
  }
}

/** Whoever has one address of IPv6 has 2^64 of them. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  return parsed instanceof ipaddr.IPv6 ? parsed.parts.slice(0, 4).join(':') : parsed.toString()
}
