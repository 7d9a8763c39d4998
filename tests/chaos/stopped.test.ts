/** Stops a worker while the image service accepts its submission, until another worker has taken its request. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { openDatabase } from '../../src/db/open.ts'
import { type FalEmulator, startFal } from '../emulators/fal/index.ts'
import { startTelegram } from '../emulators/telegram/index.ts'
import { backends, createDatabase } from '../helpers/backends.ts'
import { violations } from '../helpers/invariants.ts'
import { startService } from './service.ts'

const submission = { method: 'POST', path: /^\/fal-ai\// }
const hasEnded = /^[^⏳🎨]/u
// a second process cannot open the embedded database
const shared = backends().filter((kind) => kind !== 'pglite')

describe.skipIf(shared.length === 0)('a worker that is stopped during a submission', () => {
  it.concurrent.each(shared)('keeps the late answer, and another worker delivers its picture, on %s', async (kind) => {
    const fal = await startFal({ workMs: 300 })
    const telegram = await startTelegram()
    const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-stopped-'))
    const { url, drop } = await createDatabase()
    const settings = settingsOf(fal, {
      DATA_DIR: dataDir,
      DATABASE_URL: url,
      // a number of its own for each run keeps the queues of other tests apart
      ...(kind === 'redis' ? { REDIS_URL: `${process.env.TEST_REDIS_URL}/${redisNumber}` } : {}),
      TELEGRAM_TOKEN: telegram.token,
      TELEGRAM_API_URL: telegram.apiUrl,
    })
    const database = await openDatabase({ url, dataDir: '', maxConnections: 1 })
    const bots = startService({ ...settings, ROLES: 'bots' })
    const first = startService({ ...settings, ROLES: 'worker' })
    const services = [bots, first]
    try {
      await Promise.all(services.map((service) => service.ready))
      // the submission is accepted at once and answered once the worker has stopped
      fal.faults.add({ kind: 'delayAfter', match: submission, times: 1, ms: 3_000 })
      const sent = telegram.say('a cute cat --model flux-dev')
      await expect.poll(() => fal.accepted()).toBe(1)
      first.suspend()
      const second = startService({ ...settings, ROLES: 'worker' })
      services.push(second)
      await second.ready
      const searches = async () => {
        const [row] = await database.rows<{ searches: number }>(sql`select searches from generations`)
        return row?.searches
      }
      await expect.poll(searches, { timeout: 90_000 }).toBeGreaterThan(0)
      first.resume()
      const shown = await telegram.waitFor(
        sent.chatId,
        ({ fromBot, replyTo, text }) => fromBot && replyTo === sent.messageId && hasEnded.test(text),
        90_000,
      )
      expect(shown.text).toMatch(/a cute cat\nFLUX/)
      expect(fal.accepted()).toBe(1)
      await Promise.all(services.splice(0).map((service) => service.stop()))
      expect(await violations(database)).toEqual([])
    } finally {
      first.resume()
      await Promise.all(services.map((service) => service.kill()))
      await Promise.all([telegram.stop(), fal.stop(), database.close()])
      await drop()
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})

/** Number of a Redis database that neither the chaos run nor other tests use. */
const redisNumber = 6

const settingsOf = (fal: FalEmulator, others: Record<string, string>) => ({
  ...others,
  PORT: '0',
  LOG_LEVEL: 'info',
  SECRET_KEY: `a secret of this run: ${randomUUID()}`,
  FAL_KEY: fal.key,
  FAL_QUEUE_URL: fal.url,
})
