/** `npm run chaos -- [redis|postgres|pglite] [requests] [kills] [seed] [usual|all|silent]`: longer runs than those of the test suite. */
import { backends } from '../helpers/backends.ts'
import { type Mix, mixes, newSeed, percentile, runChaos } from './chaos.ts'

const [backend, requests = '500', kills = '40', seed = String(newSeed()), mix = 'all'] = process.argv.slice(2)
const chosen = backends().filter((each) => backend === undefined || each === backend)
if (chosen.length === 0) {
  process.stderr.write('Set TEST_DATABASE_URL and TEST_REDIS_URL to run on the other back ends.\n')
  process.exitCode = 2
}
if (!Object.hasOwn(mixes, mix)) {
  process.stderr.write(`There is no mix "${mix}". Use one of: ${Object.keys(mixes).join(', ')}.\n`)
  process.exit(2)
}
for (const each of chosen) {
  process.stdout.write(`${each}: ${requests} requests, ${kills} kills, seed ${seed}, mix ${mix}\n`)
  const say = (line: string) => process.stderr.write(`  ${line}\n`)
  const flush = each === 'redis'
  const result = await runChaos({
    backend: each,
    mix: mix as Mix,
    requests: Number(requests),
    kills: Number(kills),
    seed: Number(seed),
    flush,
    say,
  })
  const { accepted, answers, delivered, leftover, restarts, violations } = result
  process.stdout.write(`  ${accepted} accepted, ${delivered} delivered, ${leftover} waiting messages left over\n`)
  process.stdout.write(
    `  work continued after ${percentile(restarts, 0.5)} ms (p50), ${percentile(restarts, 0.95)} ms (p95) of ${restarts.length}\n`,
  )
  const last = Object.entries(answers).map(([model, ms]) => `${model} ${ms} ms`)
  process.stdout.write(`  answered again after the last fault: ${last.join(', ')}\n`)
  for (const violation of violations) process.stdout.write(`  VIOLATED ${violation}\n`)
  if (violations.length === 0) process.stdout.write('  I1 I2 I3 I4 I5 I7 I8 I10 hold\n')
  else process.exitCode = 1
}
