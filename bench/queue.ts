/** `npx tsx bench/queue.ts [jobs]`: milliseconds from adding a job to an idle queue until a worker starts it, on every back end. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createQueue } from '../src/queue/bullmq.ts'
import { type Backend, backends, openTestDatabase, testQueueBackend } from '../tests/helpers/backends.ts'
import { printTable, quantile, say } from './parts/figures.ts'

const jobs = Number(process.argv[2] ?? 400)
const warmUp = 50
const goalMs = 25

const table = [['back end', 'p50, ms', 'p99', 'max']]
for (const kind of backends()) {
  const times = await wakeTimes(kind)
  table.push([kind, ...[0.5, 0.99, 1].map((q) => quantile(times, q).toFixed(1))])
}
say(`${jobs} jobs, each added to an idle queue\n`)
printTable(table)
say(`\nGoal: p99 ≤ ${goalMs} ms.`)
// test databases are kept for reuse, which keeps the process alive
process.exit()

async function wakeTimes(kind: Backend): Promise<number[]> {
  const { database, drop } = await openTestDatabase(kind)
  const { backend, prefix, cleanUp } = testQueueBackend(kind, database)
  const log = { warn: () => undefined, error: () => undefined }
  const queue = await createQueue({ backend, lanes: [{ name: 'main', concurrency: 4 }], prefix, log })
  let wake = () => {}
  await queue.work(async () => {
    wake()
    return undefined
  })
  const times: number[] = []
  for (let n = 0; n < warmUp + jobs; n++) {
    const woken = new Promise<void>((resolve) => {
      wake = resolve
    })
    const addedAt = performance.now()
    await queue.add({ id: randomUUID(), lane: 'main', priority: 10 })
    await woken
    if (n >= warmUp) times.push(performance.now() - addedAt)
    await sleep(10)
  }
  await queue.close(0)
  await cleanUp()
  await drop()
  return times
}
