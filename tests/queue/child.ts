/** A worker process for tests: takes jobs, reports each on standard output and never finishes one. */
import { openDatabase } from '../../src/db/open.ts'
import { createQueue } from '../../src/queue/bullmq.ts'

const { url, dataDir, redis, prefix, lane, add } = JSON.parse(process.argv[2] as string)
const database = await openDatabase({ url, dataDir })
const queue = await createQueue({
  backend: redis ?? { pool: database.bullPool() },
  lanes: [{ name: lane, concurrency: 1 }],
  prefix,
  log: { warn: () => {}, error: () => {} },
})
await queue.work((id) => {
  process.stdout.write(`has ${id}\n`)
  return new Promise(() => {})
})
if (add) await queue.add({ id: add, lane, priority: 1 })
process.stdout.write('ready\n')
