/** Part of the build: makes the embedded database that first starts copy. */
import { openDatabase } from '../db/open.ts'
import { prepareDatabase } from '../db/prepared.ts'
import { createQueue } from '../queue/bullmq.ts'

await prepareDatabase(async (dataDir) => {
  const database = await openDatabase({ dataDir })
  const queue = await createQueue({ backend: { pool: database.bullPool() }, lanes: [], log: console })
  await queue.close(0)
  await database.close()
})
