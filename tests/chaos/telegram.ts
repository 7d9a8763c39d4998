/** Two processes of a Telegram bot that are killed while people write, and one that draws. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Database } from '../../src/db/database.ts'
import { openDatabase } from '../../src/db/open.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { createDatabase } from '../helpers/backends.ts'
import { freePort } from '../helpers/ports.ts'
import { brokenAtRest, untilEnded } from './rest.ts'
import { type Service, startService } from './service.ts'

export interface KilledBots {
  telegram: TelegramEmulator
  database: Database
  /** Kills the two processes in turn, each time after `pauseMs`, and starts them again. */
  killInTurn(kills: number, pauseMs: () => number): Promise<void>
  /** Kills the process that draws, and starts another one. */
  killWorker(): Promise<void>
  /** Waits until everything is answered; resolves with what is wrong then. */
  settle(): Promise<string[]>
  stop(): Promise<void>
}

const settleMs = 240_000

export async function openKilledBots(): Promise<KilledBots> {
  const telegram = await startTelegram({ keepRequests: 0, keepBytes: true })
  const { url, drop } = await createDatabase()
  const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-chaos-'))
  const settings = {
    DATA_DIR: dataDir,
    DATABASE_URL: url,
    SECRET_KEY: 'a secret for the chaos run, 32 long',
    LOG_LEVEL: 'warn',
    PROVIDER_CONCURRENCY: '10',
    TELEGRAM_TOKEN: telegram.token,
    TELEGRAM_API_URL: telegram.apiUrl,
  }
  const start = async (ROLES: string) => startService({ ...settings, ROLES, PORT: String(await freePort()) })
  let worker = await start('worker')
  const bots: Service[] = [await start('bots'), await start('bots')]
  await Promise.all([worker, ...bots].map(({ ready }) => ready))
  const database = await openDatabase({ url, dataDir, maxConnections: 2 })

  return {
    telegram,
    database,
    async killInTurn(kills, pauseMs) {
      for (let kill = 0; kill < kills; kill++) {
        await sleep(pauseMs())
        const index = kill % bots.length
        await bots[index]?.kill()
        const fresh = await start('bots')
        bots[index] = fresh
        await fresh.ready
      }
    },
    async killWorker() {
      await worker.kill()
      worker = await start('worker')
      await worker.ready
    },
    async settle() {
      const until = Date.now() + settleMs
      const isOpen = async () => {
        const open = await database.rows(sql`select key from inbox where handled_at is null limit 1`)
        return telegram.pendingUpdates() > 0 || open.length > 0
      }
      while ((await isOpen()) && Date.now() < until) await sleep(100)
      await untilEnded(url)
      return [...(await brokenAtRest(database, dataDir)), ...telegram.violations]
    },
    async stop() {
      await Promise.all([worker, ...bots].map((service) => service.kill()))
      await database.close()
      await telegram.stop()
      await drop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
