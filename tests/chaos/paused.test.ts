/** Kills everything while answers and results wait for room in a full group of Telegram. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { openDatabase } from '../../src/db/open.ts'
import { startTelegram } from '../emulators/telegram/index.ts'
import { backends, createDatabase } from '../helpers/backends.ts'
import { violations } from '../helpers/invariants.ts'
import { startService } from './service.ts'

const group = { chatId: -1003000000042, chatType: 'supergroup' as const }
/** Each with a message that waits, which becomes the result: more calls than a group may have in a minute. */
const requests = 16
const questions = 8
/** Number of a Redis database that no other test uses. */
const redisNumber = 7
// a second process cannot open the embedded database
const shared = backends().filter((kind) => kind !== 'pglite')

describe.skipIf(shared.length === 0)('answers that wait for room in a chat', () => {
  it.concurrent.each(shared)('come once each after everything was killed meanwhile, on %s', async (kind) => {
    const telegram = await startTelegram()
    telegram.limitFlood({ perGroupPerMinute: 20 })
    const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-paused-'))
    const { url, drop } = await createDatabase()
    const settings = {
      DATA_DIR: dataDir,
      DATABASE_URL: url,
      // one number for this test keeps its queues apart from those of other tests
      ...(kind === 'redis' ? { REDIS_URL: `${process.env.TEST_REDIS_URL}/${redisNumber}` } : {}),
      TELEGRAM_TOKEN: telegram.token,
      TELEGRAM_API_URL: telegram.apiUrl,
      PORT: '0',
      SECRET_KEY: `a secret of this run: ${randomUUID()}`,
    }
    const database = await openDatabase({ url, dataDir: '', maxConnections: 1 })
    const start = () => [startService({ ...settings, ROLES: 'bots' }), startService({ ...settings, ROLES: 'worker' })]
    let services = start()
    const turns = async () => {
      const [row] = await database.rows<{ turns: number }>(sql`
        select coalesce(max(cardinality(turns)), 0)::int as turns from chat_calls`)
      return row?.turns
    }
    try {
      await Promise.all(services.map((service) => service.ready))
      const sent = [
        ...Array.from({ length: requests }, (_, n) => telegram.say(`/flux cat ${n}`, { ...group, userId: 501 + n })),
        ...Array.from({ length: questions }, (_, n) => telegram.say('/help', { ...group, userId: 601 + n })),
      ].map(({ messageId }) => messageId)
      await expect.poll(turns).toBeGreaterThan(3)
      // gives the service time to record what it has sent
      await sleep(3_000)
      await Promise.all(services.map((service) => service.kill()))
      services = start()
      await Promise.all(services.map((service) => service.ready))
      const answers = () => telegram.botMessages(group.chatId).filter(({ text }) => !/^[⏳🎨]/u.test(text))
      await expect
        .poll(() => new Set(answers().map(({ replyTo }) => replyTo)).size, { timeout: 280_000 })
        .toBe(sent.length)
      expect(
        answers()
          .map(({ replyTo }) => replyTo)
          .toSorted((a = 0, b = 0) => a - b),
      ).toEqual(sent.toSorted((a, b) => a - b))
      await Promise.all(services.splice(0).map((service) => service.stop()))
      expect(await violations(database)).toEqual([])
      expect(telegram.violations).toEqual([])
    } finally {
      await Promise.all(services.map((service) => service.kill()))
      await Promise.all([telegram.stop(), database.close()])
      await drop()
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})
