/** Builds the core from a configuration. Used by main.ts and the command line. */
import { join } from 'node:path'
import { terminalIdentity } from './bots/terminal/terminal.ts'
import { isOperator, signInToken } from './bots/web/access.ts'
import { type Config, ConfigError } from './config.ts'
import { operatorToken } from './core/accounts/operator-token.ts'
import { uncountedCosts } from './core/billing/cost.ts'
import { keepTariff, withTariff } from './core/billing/tariff.ts'
import type { Core, Limits } from './core/core.ts'
import { type GenerationEvents, listenForEvents } from './core/events/events.ts'
import { webhookToken } from './core/generation/provider-webhook.ts'
import { allRules } from './core/generation/rules.ts'
import { createExpectations } from './core/history/expectations.ts'
import { createInputLimits } from './core/media/input-limits.ts'
import { createThumbnailTurns } from './core/media/thumbnail-turns.ts'
import { createDecodeTurns } from './core/media/turns.ts'
import type { ChatSurface } from './core/ports/chat.ts'
import type { Meter } from './core/ports/meter.ts'
import type { Model } from './core/ports/models.ts'
import type { Enhancer, ProviderContext, ProviderKind } from './core/ports/providers.ts'
import type { JobQueue } from './core/ports/queue.ts'
import type { ObjectStore } from './core/ports/storage.ts'
import { keepProviders, type Provided, type Providers } from './core/providers/registry.ts'
import type { Database } from './db/database.ts'
import { openDatabase } from './db/open.ts'
import { createLog, type Log } from './log.ts'
import { keepCatalogue, packFolders } from './models/packs/catalogue.ts'
import { createEnhancer } from './providers/enhancer.ts'
import { providerKinds } from './providers/index.ts'
import { createQueue } from './queue/bullmq.ts'
import { isLoopback } from './setting-values.ts'
import { runAll } from './stop.ts'
import { dataDirMistake, folderProblem } from './storage/data-dir.ts'
import { createDiskStore } from './storage/disk.ts'
import { createImageTools } from './storage/images.ts'
import { secretKey } from './storage/secret-key.ts'

export interface Parts {
  database: Database
  secretKey: Buffer
  log: Log
  link(key: string): Promise<string>
  /** What can be drawn with now. */
  models(): readonly Model[]
  /** What the surfaces are part of; once `compose` has built it. */
  core(): Core
}

export interface Replacements {
  models?: readonly Model[]
  providers?: readonly ProviderKind[]
  queue?: (parts: { database: Database; providers: Providers; log: Log }) => Promise<JobQueue>
  database?: Database
  enhancer?: Enhancer
  limits?: Partial<Limits>
  meter?: Meter
  /** Gets a line for people about each step that may take long. */
  report?(line: string): void
  /** The surfaces that this process can post to. */
  surfaces(parts: Parts): readonly ChatSurface[]
}

/** `close` closes everything that `compose` opened, in reverse. */
export interface Composed {
  core: Core
  close(): Promise<void>
}

const usualLimits = {
  // a little less than the 15 minutes for which Discord lets us edit an answer
  deadlineMs: 14 * 60_000,
  afterTimeoutMs: 60_000,
  lostMs: 120_000,
  goneMs: 45_000,
  uploadBytes: 10 * 1024 * 1024,
  fetchMs: 30_000,
}

export async function compose(config: Config, { surfaces, ...others }: Replacements): Promise<Composed> {
  const secrets = new Set(config.secrets)
  const log = createLog(config.logLevel, secrets)
  const undo: (() => unknown)[] = []
  const decode = createDecodeTurns()
  const close = () =>
    runAll(undo.reverse(), (error) => log.error({ err: error }, 'a part of the service did not close'))
  try {
    await checkDataDir(config)
    const { databaseUrl: url, databaseDirectUrl: directUrl, databasePool: maxConnections, dataDir } = config
    const database =
      others.database ?? (await openDatabase({ url, directUrl, maxConnections, dataDir, report: others.report }))
    if (!others.database) undo.push(() => database.close())
    const key = await secretKey(config.secretKey, dataDir)
    secrets.add(signInToken(key)).add(operatorToken(key))
    const store = await openStore(config, key, log)
    undo.push(() => store.close?.())
    const events = await listenForEvents(database)
    undo.push(() => events.stop())
    const providers = await keepProviders({
      database,
      secretKey: key,
      kinds: others.providers ?? providerKinds,
      fallback: config.providers,
      addresses: config.providerAddresses,
      defaults: config.providerDefaults,
      hide: (key) => secrets.add(key),
      context: ({ name }, { baseUrl }) => ({ ...contextFor(config, { key, name, baseUrl, events, log }), decode }),
      log,
    })
    undo.push(() => providers.stop())
    const folders = packFolders(config.dataDir)
    const models = await keepCatalogue({ database, providers, models: others.models, folders, log })
    undo.push(() => models.stop())
    const tariff = await keepTariff({ database, log })
    undo.push(() => tariff.stop())
    const offered = withTariff(models, tariff)
    const uncounted = uncountedCosts({ models: offered }, config.modelCosts)
    if (uncounted.length > 0) log.warn({ names: uncounted }, 'MODEL_COSTS names models that are not offered')
    const link = (name: string) => store.link(name, config.imageExpirationSeconds)
    const whole: { core?: Core } = {}
    const ours = surfaces({ database, secretKey: key, log, link, models: offered.all, core: () => built(whole) })
    const queue = await (others.queue?.({ database, providers, log }) ??
      openQueue(config, database, { providers, log, report: others.report }))
    undo.push(() => queue.close(0))
    const { welcomeCredits: welcome, dailyCredits: daily, referralCredits: referral, roleCredits, pictureDays } = config
    const { requestsInFlight: inFlight, requestsPerMinute: perMinute } = config
    const limits: Limits = {
      ...usualLimits,
      ...{ inFlight, perMinute, welcome, daily, referral, roleCredits, pictureDays },
      ...others.limits,
    }
    const enhancer = others.enhancer ?? (config.enhancer && createEnhancer(config.enhancer))
    undo.push(() => enhancer?.close())
    whole.core = {
      database,
      queue,
      store,
      images: createImageTools(decode),
      models: offered,
      packs: models.packs,
      tariff,
      modelCosts: config.modelCosts,
      providers,
      events,
      expectations: createExpectations(database),
      accountIds: new Map(),
      thumbnailTurns: createThumbnailTurns(),
      inputLimits: createInputLimits(limits),
      rules: allRules,
      enhancer,
      enhanceByDefault: config.enhanceByDefault,
      surfaces: new Map(ours.map((surface) => [surface.name, surface])),
      limits,
      secretKey: key,
      link,
      publicUrl: config.publicUrl,
      isAdmin: (identity) => config.adminIds.has(identity) || isOperator(identity) || identity === terminalIdentity,
      admins: [...config.adminIds],
      meter: others.meter,
      log,
    }
    return { core: whole.core, close }
  } catch (error) {
    await close()
    throw error
  }
}

function built({ core }: { core?: Core }): Core {
  if (!core) throw new Error('a surface asked for the core before it was built')
  return core
}

async function checkDataDir({ usesDataDir, dataDir }: Config): Promise<void> {
  const problem = usesDataDir ? await folderProblem(dataDir) : undefined
  if (problem) throw new ConfigError([dataDirMistake(dataDir, problem)])
}

type OpenStore = ObjectStore & { close?(): Promise<void> }

async function openStore(config: Config, key: Buffer, log: Log): Promise<OpenStore> {
  if (!config.cos && !config.s3) {
    const folder = join(config.dataDir, 'images')
    return createDiskStore({ folder, secretKey: key, publicUrl: config.publicUrl, reachable: config.reachable })
  }
  const store = await openBucket(config, log)
  await store.check().catch((error: Error) => {
    throw new ConfigError([error.message])
  })
  return store
}

/** Loads one library, because each takes time and memory. */
async function openBucket({ cos, s3 }: Config, log: Log) {
  if (s3) {
    const { createS3Store } = await import('./storage/s3.ts')
    return createS3Store({ ...s3, log })
  }
  if (!cos) throw new Error('no bucket is set up')
  const { createCosStore } = await import('./storage/cos.ts')
  return { ...createCosStore({ ...cos, log }), reachable: cos.reachable }
}

interface ForQueue {
  providers: Providers
  log: Log
  report?(line: string): void
}

async function openQueue(config: Config, database: Database, { providers, log, report }: ForQueue): Promise<JobQueue> {
  const { redisUrl, redisCluster: cluster, redisSentinel: sentinel, redisPrefix: prefix } = config
  const backend = redisUrl ? { redisUrl, cluster, sentinel } : { pool: database.bullPool() }
  const lane = ({ provider, settings }: Provided) => ({ name: provider.name, concurrency: settings.concurrency })
  const queue = await createQueue({ backend, lanes: providers.all().map(lane), prefix, log, report })
  providers.onChange(() => {
    queue
      .setLanes(providers.all().map(lane))
      .catch((error: unknown) => log.error({ err: error }, 'the queue did not take new limits'))
  })
  return queue
}

interface ForProvider {
  key: Buffer
  name: string
  baseUrl: string
  events: GenerationEvents
  log: Log
}

function contextFor(config: Config, { key, name, baseUrl, events, log }: ForProvider): ProviderContext {
  const webhookUrl = (id: string) => `${config.publicUrl}/hooks/${name}/${id}/${webhookToken(key, id)}`
  const here = URL.canParse(baseUrl) && isLoopback(new URL(baseUrl).hostname)
  const callsUs = config.reachable || (config.neighbours && here)
  if (!callsUs) return { log }
  return { log, webhookUrl, followWebhook: (id) => events.follow(id, ['webhook']) }
}
