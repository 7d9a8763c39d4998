/** Many interactions at a steady rate on an emulated Discord: how soon each is acknowledged. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type DiscordEmulator, type Interaction, startDiscord } from '../emulators/discord/index.ts'
import { createDatabase } from '../helpers/backends.ts'
import { freePort } from '../helpers/ports.ts'
import { startRedis } from '../helpers/redis.ts'
import { startService } from './service.ts'

interface Storm {
  interactions: number
  perSecond: number
}

export interface StormResult {
  /** Milliseconds from the act to the acknowledgement, sorted. */
  acknowledged: number[]
  /** Interactions that were not acknowledged within Discord's 3 s. */
  missed: number
}

const batchMs = 50
/** Discord waits 3 s; the rest is for the emulator. */
const patienceMs = 5_000

/** On a quiet machine. Discord itself waits 3 s. */
const acknowledgeWithinMs = 1_000

/** What a run must not show. */
export function stormViolations({ acknowledged, missed }: StormResult, withinMs = acknowledgeWithinMs): string[] {
  const slowest = acknowledged.at(-1) ?? 0
  return [
    ...(missed > 0 ? [`${missed} interactions were not acknowledged`] : []),
    ...(slowest > withinMs ? [`an interaction was acknowledged after ${slowest} ms, not within ${withinMs} ms`] : []),
  ]
}

/** A storm on the built service, whose Redis is stopped. */
export async function stormWithoutRedis(wanted: Storm): Promise<StormResult> {
  const [redis, discord, { url, drop }] = await Promise.all([
    startRedis(),
    startDiscord({ keepBytes: false }),
    createDatabase(),
  ])
  const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-storm-'))
  const service = startService({
    DATABASE_URL: url,
    REDIS_URL: redis.url,
    DATA_DIR: dataDir,
    PORT: String(await freePort()),
    LOG_LEVEL: 'warn',
    SECRET_KEY: 'a secret for the storm, 32 characters',
    DISCORD_TOKEN: discord.token,
    DISCORD_API_URL: discord.apiUrl,
  })
  try {
    await service.ready
    await discord.waitForBot()
    await redis.stop()
    return await storm(discord, wanted)
  } finally {
    await service.kill()
    await redis.stop()
    await discord.stop()
    await drop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** Each third one is a request; the others are commands and suggestions. Every person acts once. */
export async function storm(discord: DiscordEmulator, { interactions, perSecond }: Storm): Promise<StormResult> {
  // the emulator compiles the schema of each kind of answer when it first comes
  for (const number of [0, 1, 2]) await act(discord, interactions + number).waitForAck()
  const sent: Interaction[] = []
  const startedAt = Date.now()
  while (sent.length < interactions) {
    const due = Math.min(interactions, Math.ceil(((Date.now() - startedAt + batchMs) / 1_000) * perSecond))
    while (sent.length < due) sent.push(act(discord, sent.length))
    await sleep(batchMs)
  }
  const waits = await Promise.all(sent.map((each) => each.waitForAck(patienceMs).catch(() => undefined)))
  const acknowledged = waits.filter((ms) => ms !== undefined).toSorted((a, b) => a - b)
  return { acknowledged, missed: interactions - acknowledged.length }
}

function act(discord: DiscordEmulator, number: number): Interaction {
  const from = { userId: String(200_000_000_000_000_000n + BigInt(number)) }
  if (number % 3 === 0) return discord.slash('flux', { prompt: `a fox, number ${number}` }, from)
  return number % 3 === 1
    ? discord.slash('models', {}, from)
    : discord.autocomplete('flux', { prompt: 'fo' }, 'prompt', from)
}
