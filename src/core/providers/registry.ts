/**
 * The providers that are set up now: from stored configurations, else from the environment. Changes in the database reach
 * every process within seconds, without a restart. Generations under way continue with the settings they began with.
 */
import type { Database } from '../../db/database.ts'
import type { Log } from '../../log.ts'
import type { ImageProvider, ProviderContext, ProviderKind, ProviderSettings } from '../ports/providers.ts'
import { type Breaker, createBreaker } from './breaker.ts'
import { configsChanged, type OpenConfig, openConfigs } from './configs.ts'
import { failuresChanged, readFailures, settingsHash, shareFailures } from './failures.ts'
import { findKind } from './names.ts'

/** A provider that is set up and ready for requests. */
export interface Provided {
  readonly provider: ImageProvider
  readonly title: string
  readonly settings: ProviderSettings
  readonly breaker: Breaker
  /** The model for requests that name none, when this provider serves it. */
  readonly defaultModel?: string
}

export type MissingPart = 'url' | 'key' | 'readable key'

export interface Providers {
  readonly kinds: readonly ProviderKind[]
  get(name: string): Provided | undefined
  all(): readonly Provided[]
  /** Reads the configurations again. */
  reload(): Promise<void>
  /** What a configuration still lacks after the environment has filled it in. undefined: nothing. */
  missingIn(config: Pick<OpenConfig, 'provider' | 'baseUrl' | 'key'>): MissingPart | undefined
  /** The settings that a stored configuration results in. undefined: it is incomplete. */
  settingsOf(config: OpenConfig): ProviderSettings | undefined
  /** Creates a provider for a test of these settings. The caller closes it. */
  build(kind: ProviderKind, settings: ProviderSettings): ImageProvider
  /** Registers a callback for changes of the set-up providers. */
  onChange(changed: () => void): void
  stop(): Promise<void>
}

export interface ProvidersOptions {
  database: Database
  secretKey: Buffer
  kinds: readonly ProviderKind[]
  /** Settings from the environment, by provider. */
  fallback: ReadonlyMap<string, ProviderSettings>
  /** Addresses by provider, for configurations that have none. Absent: the provider's usual address. */
  addresses?: ReadonlyMap<string, string>
  /** For configurations without a value of their own. */
  defaults: Pick<ProviderSettings, 'timeoutMs' | 'concurrency'>
  context(kind: ProviderKind, settings: ProviderSettings): ProviderContext
  /** Called with each key, so that logs can redact it. */
  hide?(key: string): void
  log: Log
}

const reloadEveryMs = 5_000
/** Milliseconds beyond a provider's timeout after which no generation can still use its old client. */
const retireAfterMs = 30_000

/** As the log names them. */
const missingParts: Readonly<Record<MissingPart, string>> = {
  url: 'an address',
  key: 'a key',
  'readable key': 'its key, sealed with another SECRET_KEY',
}

type Entry = Provided & { signature: string; settingsHash: string }
type Access = Pick<ProviderSettings, 'baseUrl' | 'key'>

export async function keepProviders(options: ProvidersOptions): Promise<Providers> {
  const { database, kinds, log } = options
  let current = new Map<string, Entry>()
  const retired = new Map<ImageProvider, NodeJS.Timeout>()
  const listeners: (() => void)[] = []
  const reported = new Set<string>()
  let loading: Promise<void> = Promise.resolve()

  async function load(): Promise<void> {
    const configs = (await openConfigs(options)).filter((config) => config.active)
    for (const { key } of configs) if (key !== undefined) options.hide?.(key)
    const next = new Map<string, Entry>()
    for (const kind of kinds) {
      const entry = entryFor(kind, configs)
      if (entry) next.set(kind.name, entry)
    }
    const before = current
    current = next
    const changed = [...new Set([...before.keys(), ...next.keys()])].filter(
      (name) => before.get(name) !== next.get(name),
    )
    for (const name of changed) retire(before.get(name))
    if (changed.length > 0) for (const listener of listeners) listener()
    await tryToLearn()
  }

  async function learnFailures(): Promise<void> {
    const since = [...current.values()].map((entry) => ({ ...entry, moment: entry.breaker.moment() }))
    const known = await readFailures(database)
    for (const { breaker, settingsHash: hash, moment } of since) breaker.learn(known.get(hash), moment)
  }

  /** The next reload tries again. */
  const tryToLearn = () => learnFailures().catch(() => undefined)

  function entryFor(kind: ProviderKind, configs: readonly OpenConfig[]): Entry | undefined {
    const config = configs.find((each) => each.provider === kind.name)
    if (config && !config.enabled) return undefined
    const settings = config ? settingsOf(config) : options.fallback.get(kind.name)
    if (!settings) return undefined
    const defaultModel = config?.defaultModel ?? undefined
    const signature = JSON.stringify([settings, defaultModel])
    const before = current.get(kind.name)
    if (before?.signature === signature) return before
    try {
      const provider = kind.create(settings, options.context(kind, settings))
      const hash = settingsHash(options.secretKey, JSON.stringify([kind.name, settings]))
      const changed = (state: 'open' | 'closed') => reportBreaker(kind.name, state)
      const breaker = createBreaker({ changed, shared: shareFailures(database, hash), told: () => void tryToLearn() })
      return { provider, title: kind.title, settings, breaker, defaultModel, signature, settingsHash: hash }
    } catch (error) {
      log.error(
        { provider: kind.name, err: error },
        'could not set up a provider; it stays off until its settings change',
      )
      return undefined
    }
  }

  function reportBreaker(provider: string, state: 'open' | 'closed'): void {
    if (state === 'open')
      log.warn({ provider }, 'a provider keeps failing; it gets single requests as trials until one succeeds')
    else log.info({ provider }, 'a provider works again; it gets all requests')
  }

  function accessOf(kind: ProviderKind, config: Pick<OpenConfig, 'baseUrl' | 'key'>): Partial<Access> {
    const environment = options.fallback.get(kind.name)
    return {
      baseUrl: config.baseUrl ?? environment?.baseUrl ?? options.addresses?.get(kind.name) ?? kind.defaultUrl,
      // the environment's key may only go to the environment's address
      key: config.key ?? (config.baseUrl === null ? environment?.key : undefined),
    }
  }

  function missingIn(config: Pick<OpenConfig, 'provider' | 'baseUrl' | 'key'>): MissingPart | undefined {
    const kind = findKind(kinds, config.provider)
    const { baseUrl, key } = accessOf(kind, config)
    if (key === 'unreadable') return 'readable key'
    if (kind.needsKey && key === undefined) return 'key'
    return baseUrl === undefined ? 'url' : undefined
  }

  function settingsOf(config: OpenConfig): ProviderSettings | undefined {
    const kind = kinds.find((each) => each.name === config.provider)
    if (!kind) return undefined
    const { baseUrl, key } = accessOf(kind, config)
    const missing = missingIn(config)
    if (missing !== undefined || baseUrl === undefined) {
      reportOnce({ provider: kind.name, configuration: config.name, missing: missingParts[missing ?? 'url'] })
      return undefined
    }
    const environment = options.fallback.get(kind.name)
    return {
      baseUrl: baseUrl.replace(/\/+$/, ''),
      key,
      timeoutMs: config.timeoutSeconds === null ? options.defaults.timeoutMs : config.timeoutSeconds * 1000,
      concurrency: config.maxConcurrent ?? options.defaults.concurrency,
      steps: environment?.steps,
    }
  }

  /** Logs a problem once, not at every reload. */
  function reportOnce(problem: { provider: string; configuration: string; missing: string }): void {
    const text = JSON.stringify(problem)
    if (reported.has(text)) return
    reported.add(text)
    log.error(problem, 'a provider configuration is incomplete; the provider stays off until it is completed')
  }

  /** Closes a replaced provider once no generation can still use it. */
  function retire(entry: Entry | undefined): void {
    if (!entry) return
    const { provider, settings } = entry
    const timer = setTimeout(() => {
      retired.delete(provider)
      void provider.close?.().catch(() => undefined)
    }, settings.timeoutMs + retireAfterMs)
    timer.unref()
    retired.set(provider, timer)
  }

  function reload(): Promise<void> {
    loading = loading.then(load, load)
    return loading
  }

  const tryReload = () =>
    void reload().catch((error) => log.warn({ err: error }, 'could not read provider configurations; retrying'))
  await reload()
  const timer = setInterval(tryReload, reloadEveryMs)
  timer.unref()
  const unlisten = await database.listen(configsChanged, tryReload)
  const unlistenFailures = await database.listen(failuresChanged, () => void tryToLearn())

  return {
    kinds,
    get: (name) => current.get(name),
    all: () => [...current.values()],
    reload,
    missingIn,
    settingsOf,
    build: (kind, settings) => {
      if (settings.key !== undefined) options.hide?.(settings.key)
      return kind.create(settings, options.context(kind, settings))
    },
    onChange: (changed) => void listeners.push(changed),
    stop: async () => {
      clearInterval(timer)
      await Promise.all([unlisten(), unlistenFailures()])
      await loading.catch(() => undefined)
      for (const closing of retired.values()) clearTimeout(closing)
      const all = [...retired.keys(), ...[...current.values()].map((entry) => entry.provider)]
      await Promise.allSettled(all.map((provider) => provider.close?.()))
    },
  }
}
