/** Limits how often an address may try to guess a secret. */
import ipaddr from 'ipaddr.js'

export interface Tries {
  /** Seconds until the address may try again; 0 if it may try now. */
  waitSeconds(address: string): number
  count(address: string): void
}

const minuteMs = 60_000
const rememberedAddresses = 10_000

/** Counts a try for all processes. Resolves to the tries of all, and to when they start anew. undefined: not known. */
type Share = (network: string) => Promise<{ tries: number; leftMs: number } | undefined>

/** Allows `perMinute` tries per network. While too many networks are remembered, new ones have to wait. */
export function createTries(perMinute: number, share: Share): Tries {
  const tries = new Map<string, { count: number; until: number }>()

  const isFull = (now: number) => {
    if (tries.size < rememberedAddresses) return false
    for (const [network, { until }] of tries) if (until <= now) tries.delete(network)
    return tries.size >= rememberedAddresses
  }

  async function learn(network: string): Promise<void> {
    const all = await share(network)
    const current = tries.get(network)
    if (!all || !current || current.count >= all.tries) return
    tries.set(network, { count: all.tries, until: Date.now() + all.leftMs })
  }

  return {
    waitSeconds(address) {
      const now = Date.now()
      const current = tries.get(networkOf(address))
      if (current && current.until > now) return current.count < perMinute ? 0 : Math.ceil((current.until - now) / 1000)
      return isFull(now) ? minuteMs / 1000 : 0
    },
    count(address) {
      const now = Date.now()
      const network = networkOf(address)
      const current = tries.get(network)
      const isOver = current && current.until > now && current.count >= perMinute
      if (current && current.until > now) current.count++
      else if (!isFull(now)) tries.set(network, { count: 1, until: now + minuteMs })
      // a trusted network may go on, and must not keep the database busy
      if (!isOver) void learn(network)
    },
  }
}

/** The /64 network of an IPv6 address, because a client usually has all of it; an IPv4 address itself. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  return parsed instanceof ipaddr.IPv6 ? parsed.parts.slice(0, 4).join(':') : parsed.toString()
}
