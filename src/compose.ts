/** Builds the core from a configuration. Used by main.ts and the command line. */
import { join } from 'node:path'
import type { Config } from './config.ts'
import type { Core } from './core/core.ts'
import type { ChatSurface, ImageProvider, JobQueue, Model } from './core/ports.ts'
import { type Database, openDatabase } from './db/db.ts'
import { createLog } from './log.ts'
import { models as allModels } from './models/index.ts'
import { createProviders } from './providers/index.ts'
import { createQueue } from './queue/bullmq.ts'
import { secretKey } from './secret.ts'
import { createDiskStore } from './storage/disk.ts'
import { createImageTools } from './storage/images.ts'

export interface Parts {
  database: Database
  secretKey: Buffer
  log: Core['log']
  link(key: string): Promise<string>
}

export interface Replacements {
  models?: readonly Model[]
  providers?: readonly ImageProvider[]
  queue?: JobQueue
  /** The surfaces that this process can post to. */
  surfaces(parts: Parts): readonly ChatSurface[]
}

/** The longest edge of Discord's patience is 15 minutes for editing an answer; we end a little before. */
const deadlineMs = 14 * 60_000
const uploadBytes = 10 * 1024 * 1024

export async function compose(config: Config, { surfaces, ...others }: Replacements): Promise<Core> {
  const log = createLog(config.logLevel, config.secrets)
  const database = await openDatabase({ url: config.databaseUrl, dataDir: config.dataDir })
  try {
    const key = await secretKey(config.secretKey, config.dataDir)
    const folder = join(config.dataDir, 'images')
    const store = createDiskStore({ folder, secretKey: key, publicUrl: config.publicUrl })
    const providers = new Map((others.providers ?? createProviders()).map((provider) => [provider.name, provider]))
    const models = (others.models ?? allModels).filter((model) =>
      model.routes.some((route) => providers.has(route.provider)),
    )
    const link = (name: string) => store.link(name, config.imageExpirationSeconds)
    const ours = surfaces({ database, secretKey: key, log, link })
    const lanes = [...providers.keys()].map((name) => ({ name, concurrency: config.providerConcurrency }))
    const backend = config.redisUrl ? { redisUrl: config.redisUrl } : { pool: database.bullPool() }
    const queue = others.queue ?? (await createQueue({ backend, lanes, log }))
    return {
      database,
      queue,
      store,
      images: createImageTools(),
      models,
      defaultModel: models[0]?.id ?? 'sketch',
      providers,
      concurrency: config.providerConcurrency,
      surfaces: new Map(ours.map((surface) => [surface.name, surface])),
      limits: {
        inFlight: 3,
        perMinute: 20,
        providerMs: config.providerTimeoutMs,
        deadlineMs,
        welcome: config.welcomeCredits,
        uploadBytes,
      },
      secretKey: key,
      isAdmin: (identity) =>
        config.adminIds.has(identity) || config.adminIds.has(`${identity.slice(0, identity.indexOf(':'))}:*`),
      log,
    }
  } catch (error) {
    await database.close()
    throw error
  }
}
