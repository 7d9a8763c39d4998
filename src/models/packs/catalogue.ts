/** The models available now: built-in models and packs whose provider is set up. */
import { basename, join } from 'node:path'
import type { Catalogue } from '../../core/core.ts'
import type { Model } from '../../core/ports/models.ts'
import type { PackStore } from '../../core/ports/packs.ts'
import type { Providers } from '../../core/providers/registry.ts'
import { drawing } from '../../core/request/choose-model.ts'
import type { Database } from '../../db/database.ts'
import type { Log } from '../../log.ts'
import { models as builtIn } from '../index.ts'
import { readBuiltInPacks } from './built-in.ts'
import { parsePack, readPacks } from './pack.ts'
import { createPackStore, mistakesOf, readStoredPacks, takenMistake } from './stored.ts'

interface CatalogueOptions {
  database: Database
  providers: Providers
  /** Replaces the built-in models. */
  models?: readonly Model[]
  /** Where packs are kept as files, in order of precedence. */
  folders: readonly string[]
  log: Log
}

export interface LiveCatalogue extends Catalogue {
  readonly packs: PackStore
  /** Reads all packs again. */
  reload(): Promise<void>
  stop(): void
}

const reloadEveryMs = 5_000

/** Folders of packs: of all kinds, and an older one. */
export const packFolders = (dataDir: string): readonly string[] =>
  ['models', 'workflows'].map((name) => join(dataDir, name))

export async function keepCatalogue(options: CatalogueOptions): Promise<LiveCatalogue> {
  const { database, providers, folders, log } = options
  const { models = builtIn } = options
  const shipped = options.models ? [] : await readBuiltInPacks()
  let packs: readonly Model[] = []
  let reported = ''

  async function reload(): Promise<void> {
    const rows = await readStoredPacks(database)
    const files = await Promise.all(folders.map(readPacks))
    const mistakes = files.flatMap((each, at) => each.mistakes.map((text) => `${basename(folders[at] ?? '')}/${text}`))
    const stored = rows.flatMap(({ id, text }) => {
      try {
        return [parsePack(text)]
      } catch (error) {
        mistakes.push(...mistakesOf(error).map((text) => `stored pack ${id}: ${text}`))
        return []
      }
    })
    const own = withoutTakenNames([...stored, ...files.flatMap((each) => each.models)], models, mistakes)
    packs = [...shipped.filter((pack) => !own.some((each) => shareName(each, pack))), ...own]
    const text = mistakes.join('\n')
    if (text !== reported && text !== '') log.error({ mistakes }, 'found mistakes in packs; skipping these packs')
    reported = text
  }

  const servedBy = (has: (provider: string) => boolean) =>
    [...models, ...packs].filter(({ routes }) => routes.some(({ provider }) => has(provider)))
  let kept: { names: string; packs: readonly Model[]; models: readonly Model[] } | undefined
  /** The same list until a provider comes or goes, or packs are read again. */
  function all(): readonly Model[] {
    const names = providers
      .all()
      .map(({ provider }) => provider.name)
      .join()
    if (kept?.names !== names || kept.packs !== packs) {
      const served = servedBy((provider) => providers.get(provider) !== undefined)
      kept = { names, packs, models: withSpareAliases(served) }
    }
    return kept.models
  }
  await reload()
  const timer = setInterval(
    () =>
      void reload().catch((error: unknown) =>
        log.warn({ err: error }, 'could not read packs; keeping the previous ones'),
      ),
    reloadEveryMs,
  )
  timer.unref()

  return {
    all,
    of: (name) => servedBy((provider) => provider === name),
    preferred() {
      const available = all()
      const names = providers.all().flatMap(({ defaultModel }) => (defaultModel === undefined ? [] : [defaultModel]))
      const chosen = names.map((name) => available.find(({ id, aliases }) => id === name || aliases.includes(name)))
      return chosen.find((model) => model !== undefined)?.id ?? drawing(available)[0]?.id ?? 'sketch'
    },
    packs: createPackStore(database, { models, reload }),
    reload,
    stop: () => clearInterval(timer),
  }
}

function withSpareAliases(available: readonly Model[]): Model[] {
  const names = new Set(available.flatMap(({ id, aliases }) => [id, ...aliases]))
  return available.map((model) => {
    const free = model.spareAliases?.filter((name) => !names.has(name)) ?? []
    return free.length === 0 ? model : { ...model, aliases: [...model.aliases, ...free] }
  })
}

/** An operator's pack takes the place of one that comes with fluxbot. */
function shareName(one: Model, other: Model): boolean {
  const names = [one.id, ...one.aliases]
  return [other.id, ...other.aliases].some((name) => names.includes(name))
}

/** The first to use a name keeps it: built-in models, then packs in the database, then files. */
function withoutTakenNames(packs: readonly Model[], models: readonly Model[], mistakes: string[]): Model[] {
  const names = new Set(models.flatMap(({ id, aliases }) => [id, ...aliases]))
  return packs.filter((pack) => {
    const taken = [pack.id, ...pack.aliases].find((name) => names.has(name))
    if (taken !== undefined) {
      mistakes.push(`${pack.id}: ${takenMistake(taken)}`)
      return false
    }
    for (const name of [pack.id, ...pack.aliases]) names.add(name)
    return true
  })
}
