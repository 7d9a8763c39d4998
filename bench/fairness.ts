/**
 * `npx tsx bench/fairness.ts [waiting] [rounds]`: how much longer a single picture takes while another person has so many requests waiting
 * in the same lanes, on every back end.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ImageProvider } from '../src/core/ports/providers.ts'
import { sketch } from '../src/models/sketch.ts'
import { type Backend, backends } from '../tests/helpers/backends.ts'
import { createPlain, openTestCore, pngOf, type TestCore } from '../tests/helpers/core.ts'
import { median, say } from './parts/figures.ts'

const waiting = Number(process.argv[2] ?? 1_000)
const lanes = ['sketch', 'other']
const pictureMs = 600
const rounds = Number(process.argv[3] ?? 3)
/** Requests that the heavy person sends at the same time. */
const atOnce = 25
const goal = 2

const results: string[] = []
for (const kind of backends()) results.push(`${kind} ${await slowdown(kind)}`)
say(
  `Fairness: with ${waiting} requests of one person waiting, a picture of another takes ${results.join(', ')}. Goal: ≤ ${goal}.`,
)
// test databases are kept for reuse, which keeps the process alive
process.exit()

/** Median in each lane, as a multiple of that in idle lanes. */
async function slowdown(kind: Backend): Promise<string> {
  const picture = await pngOf(64, 64)
  const start: ImageProvider['start'] = async () => {
    await sleep(pictureMs)
    return { state: 'done', images: [picture] }
  }
  const test = await openTestCore(kind, {
    providers: lanes.map((name) => createPlain({ name, start })),
    models: lanes.map((name) => ({
      ...sketch,
      id: name,
      aliases: [],
      routes: sketch.routes.map((route) => ({ ...route, provider: name })),
    })),
    limits: { inFlight: waiting, perMinute: 1_000_000, welcome: 2 * waiting, deadlineMs: 14 * 60_000 },
  })
  await test.work()
  const idle = await measure(test)
  for (let sent = 0; sent < waiting; sent += atOnce) {
    const batch = Array.from({ length: atOnce }, (_, at) => `a cat --model ${lanes[at % lanes.length]}`)
    await Promise.all(batch.map((text) => test.say(text, { who: 'heavy' })))
  }
  const busy = await measure(test)
  await test.close()
  return lanes.map((_, lane) => `${((busy[lane] ?? 0) / (idle[lane] ?? 0)).toFixed(2)} ×`).join(' / ')
}

/** Milliseconds of each lane, from the message to the delivered picture. */
async function measure(test: TestCore): Promise<number[]> {
  const times: number[][] = lanes.map(() => [])
  for (let round = 0; round < rounds; round++) {
    await Promise.all(
      lanes.map(async (lane, at) => {
        // not in step with the other person's pictures
        await sleep(Math.random() * pictureMs)
        const startedAt = performance.now()
        await test.ended(await test.say(`a dog --model ${lane}`, { who: `light in ${lane}` }))
        times[at]?.push(performance.now() - startedAt)
      }),
    )
  }
  return times.map(median)
}
