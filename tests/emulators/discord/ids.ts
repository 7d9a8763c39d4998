/** Identifiers shaped like Discord's: snowflakes whose time stamp is real, and interaction tokens nobody can guess. */
import { randomBytes } from 'node:crypto'

const DISCORD_EPOCH_MS = 1_420_070_400_000

let count = 0

/** Unique within the process and, within one millisecond, ascending. `atMs` back-dates it. */
export function snowflake(atMs = Date.now()): string {
  count = (count + 1) & 0x3fffff
  return String((BigInt(atMs - DISCORD_EPOCH_MS) << 22n) | BigInt(count))
}

/** As Discord's do, it reads `interaction:<id>:<random>` in base64. */
export function interactionToken(id: string): string {
  return Buffer.from(`interaction:${id}:${randomBytes(57).toString('hex')}`).toString('base64url')
}

export function botToken(applicationId: string): string {
  const part = (bytes: number) => randomBytes(bytes).toString('base64url')
  return `${Buffer.from(applicationId).toString('base64url')}.${part(4).slice(0, 6)}.${part(29).slice(0, 38)}`
}
