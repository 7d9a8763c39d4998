/** Identifiers in Discord's formats: snowflakes with a real timestamp, and random interaction and bot tokens. */
import { randomBytes } from 'node:crypto'

const DISCORD_EPOCH_MS = 1_420_070_400_000

let count = 0

/** Unique in this process; ascending within one millisecond. `atMs`: timestamp in the id, Unix milliseconds. */
export function snowflake(atMs = Date.now()): string {
  count = (count + 1) & 0x3fffff
  return String((BigInt(atMs - DISCORD_EPOCH_MS) << 22n) | BigInt(count))
}

/** Base64 of `interaction:<id>:<random>`, as on Discord. */
export function interactionToken(id: string): string {
  return Buffer.from(`interaction:${id}:${randomBytes(57).toString('hex')}`).toString('base64url')
}

export function botToken(applicationId: string): string {
  const part = (bytes: number) => randomBytes(bytes).toString('base64url')
  return `${Buffer.from(applicationId).toString('base64url')}.${part(4).slice(0, 6)}.${part(29).slice(0, 38)}`
}
