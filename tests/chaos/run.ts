/**
 * `npm run chaos -- [redis|postgres|pglite] [requests] [kills] [seed] [usual|all|silent|presses|storm]`: longer runs than those of
 * the test suite. With `presses` the requests are presses of buttons, each delivered twice. With `storm`, `npm run chaos -- redis 2000 200 1 storm`
 * sends 2,000 interactions of Discord, 200 a second, to a service whose Redis is stopped.
 */
import { type Backend, backends } from '../helpers/backends.ts'
import { type Mix, mixes, newSeed, percentile, runChaos } from './chaos.ts'
import { runPresses } from './presses.ts'
import { stormViolations, stormWithoutRedis } from './storm.ts'

const [backend, requests = '500', kills = '40', seed = String(newSeed()), mix = 'all'] = process.argv.slice(2)
const chosen = backends().filter((each) => backend === undefined || each === backend)
if (chosen.length === 0) {
  process.stderr.write('Set TEST_DATABASE_URL and TEST_REDIS_URL to run on the other back ends.\n')
  process.exitCode = 2
}
if (mix !== 'presses' && mix !== 'storm' && !Object.hasOwn(mixes, mix)) {
  const known = [...Object.keys(mixes), 'presses', 'storm']
  process.stderr.write(`There is no mix "${mix}". Use one of: ${known.join(', ')}.\n`)
  process.exit(2)
}
if (mix === 'storm') process.exit(await runStorm(Number(requests), Number(kills)))
for (const each of chosen) {
  const counts = { requests: Number(requests), kills: Number(kills), seed: Number(seed) }
  process.stdout.write(`${each}: ${requests} requests, ${kills} kills, seed ${seed}, mix ${mix}\n`)
  const violations = mix === 'presses' ? await press(each, counts) : await ask(each, counts)
  for (const violation of violations) process.stdout.write(`  VIOLATED ${violation}\n`)
  // presses are not told apart at the image services
  if (violations.length === 0) process.stdout.write(`  I1 I2${mix === 'presses' ? '' : ' I3'} I4 I5 I7 I8 I10 hold\n`)
  else process.exitCode = 1
}

interface Counts {
  requests: number
  kills: number
  seed: number
}

function say(line: string): void {
  process.stderr.write(`  ${line}\n`)
}

async function ask(backend: Backend, counts: Counts): Promise<string[]> {
  const result = await runChaos({ ...counts, backend, mix: mix as Mix, flush: backend === 'redis', say })
  const { accepted, answers, delivered, leftover, restarts, violations } = result
  process.stdout.write(`  ${accepted} accepted, ${delivered} delivered, ${leftover} waiting messages left over\n`)
  process.stdout.write(
    `  work continued after ${percentile(restarts, 0.5)} ms (p50), ${percentile(restarts, 0.95)} ms (p95) of ${restarts.length}\n`,
  )
  const last = Object.entries(answers).map(([model, ms]) => `${model} ${ms} ms`)
  process.stdout.write(`  answered again after the last fault: ${last.join(', ')}\n`)
  return violations
}

async function press(backend: Backend, { requests, kills, seed }: Counts): Promise<string[]> {
  const result = await runPresses({ backend, presses: requests, kills, seed, say })
  const { paid, free, delivered, refunded, answers, leftover, violations } = result
  process.stdout.write(`  ${paid} paid presses: ${delivered} delivered, ${refunded} refunded; ${free} free ones\n`)
  process.stdout.write(
    `  answered around kills after ${percentile(answers, 0.5)} ms (p50), ${percentile(answers, 0.95)} ms (p95) of ${answers.length}\n`,
  )
  process.stdout.write(`  ${leftover} waiting messages left over\n`)
  return violations
}

/** Returns the exit code: 0 if all were acknowledged, none after more than a second. */
async function runStorm(interactions: number, perSecond: number): Promise<number> {
  const result = await stormWithoutRedis({ interactions, perSecond })
  const { acknowledged, missed } = result
  const [p50, p99, slowest] = [0.5, 0.99, 1].map((share) => percentile(acknowledged, share))
  process.stdout.write(
    `  ${interactions} interactions at ${perSecond} a second with Redis stopped: ${missed} missed, acknowledged after ` +
      `${p50} ms (p50), ${p99} ms (p99), ${slowest} ms (slowest)\n`,
  )
  const violations = stormViolations(result)
  for (const violation of violations) process.stdout.write(`  VIOLATED ${violation}\n`)
  return violations.length === 0 ? 0 : 1
}
