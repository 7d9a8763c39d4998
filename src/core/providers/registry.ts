/**
 * The providers that are set up now: from stored configurations, else from the environment. Changes in the database reach
 * every process within seconds, without a restart; what is under way goes on with the settings it began with.
 */
import type { Database } from '../../db/database.ts'
import type { Log } from '../../log.ts'
import type { ImageProvider, ProviderContext, ProviderKind, ProviderSettings } from '../ports/providers.ts'
import { type Breaker, createBreaker } from './breaker.ts'
import { configsChanged, type OpenConfig, openConfigs } from './configs.ts'

/** One provider, ready to be asked. */
export interface Provided {
  readonly provider: ImageProvider
  readonly title: string
  readonly settings: ProviderSettings
  readonly breaker: Breaker
  /** The model for requests that name none, when this provider serves it. */
  readonly defaultModel?: string
}

export interface Providers {
  readonly kinds: readonly ProviderKind[]
  get(name: string): Provided | undefined
  all(): readonly Provided[]
  /** Reads the configurations again. */
  reload(): Promise<void>
  /** How a stored configuration would be used; undefined: it lacks something. */
  settingsOf(config: OpenConfig): ProviderSettings | undefined
  /** A provider as it would be with these settings, for a test; close it afterwards. */
  build(kind: ProviderKind, settings: ProviderSettings): ImageProvider
  /** Calls back after each change of what is set up. */
  onChange(changed: () => void): void
  stop(): Promise<void>
}

export interface ProvidersOptions {
  database: Database
  secretKey: Buffer
  kinds: readonly ProviderKind[]
  /** From the environment. */
  fallback: ReadonlyMap<string, ProviderSettings>
  /** Where a configuration says nothing. */
  defaults: Pick<ProviderSettings, 'timeoutMs' | 'concurrency'>
  context(kind: ProviderKind, settings: ProviderSettings): ProviderContext
  /** Told each stored key, to be kept out of logs. */
  hide?(key: string): void
  log: Log
}

const lookEveryMs = 5_000

type Entry = Provided & { signature: string }

export async function keepProviders(options: ProvidersOptions): Promise<Providers> {
  const { database, kinds, log } = options
  let current = new Map<string, Entry>()
  const retired = new Map<ImageProvider, NodeJS.Timeout>()
  const listeners: (() => void)[] = []
  const said = new Set<string>()
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
  }

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
      return { provider, title: kind.title, settings, breaker: createBreaker(), defaultModel, signature }
    } catch (error) {
      log.error({ provider: kind.name, err: error }, 'a provider could not be set up')
      return undefined
    }
  }

  function settingsOf(config: OpenConfig): ProviderSettings | undefined {
    const kind = kinds.find((each) => each.name === config.provider)
    if (!kind) return undefined
    const environment = options.fallback.get(kind.name)
    const baseUrl = config.baseUrl ?? environment?.baseUrl ?? kind.defaultUrl
    // the environment's key is for the environment's address
    const key = config.key ?? (config.baseUrl === null ? environment?.key : undefined)
    if (config.key === 'unreadable' || baseUrl === undefined || (kind.needsKey && key === undefined)) {
      const missing = config.key === 'unreadable' ? 'its key, sealed under another SECRET_KEY' : 'an address or a key'
      complain({ provider: kind.name, configuration: config.name, missing })
      return undefined
    }
    return {
      baseUrl: baseUrl.replace(/\/+$/, ''),
      key,
      timeoutMs: config.timeoutSeconds === null ? options.defaults.timeoutMs : config.timeoutSeconds * 1000,
      concurrency: config.maxConcurrent ?? options.defaults.concurrency,
      steps: environment?.steps,
    }
  }

  /** Once, not at every look. */
  function complain(about: { provider: string; configuration: string; missing: string }): void {
    const text = JSON.stringify(about)
    if (said.has(text)) return
    said.add(text)
    log.error(about, 'a provider is not usable as configured')
  }

  /** Closed when whatever may still use it is over. */
  function retire(entry: Entry | undefined): void {
    if (!entry) return
    const { provider, settings } = entry
    const timer = setTimeout(() => {
      retired.delete(provider)
      void provider.close?.().catch(() => undefined)
    }, settings.timeoutMs + 30_000)
    timer.unref()
    retired.set(provider, timer)
  }

  function reload(): Promise<void> {
    loading = loading.then(load, load)
    return loading
  }

  const look = () => void reload().catch((error) => log.warn({ err: error }, 'provider configurations were not read'))
  await reload()
  const timer = setInterval(look, lookEveryMs)
  timer.unref()
  const unlisten = await database.listen(configsChanged, look)

  return {
    kinds,
    get: (name) => current.get(name),
    all: () => [...current.values()],
    reload,
    settingsOf,
    build: (kind, settings) => {
      if (settings.key !== undefined) options.hide?.(settings.key)
      return kind.create(settings, options.context(kind, settings))
    },
    onChange: (changed) => void listeners.push(changed),
    stop: async () => {
      clearInterval(timer)
      await unlisten()
      await loading.catch(() => undefined)
      for (const waiting of retired.values()) clearTimeout(waiting)
      const all = [...retired.keys(), ...[...current.values()].map((entry) => entry.provider)]
      await Promise.allSettled(all.map((provider) => provider.close?.()))
    },
  }
}
