/** Many interactions at a steady rate on an emulated Discord: how soon each is acknowledged. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { DiscordEmulator, Interaction } from '../emulators/discord/index.ts'

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
