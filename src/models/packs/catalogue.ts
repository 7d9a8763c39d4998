/** The models available now: built-in models and packs whose provider is set up. */
import { basename, join } from 'node:path'
import { sql } from 'drizzle-orm'
import type { Catalogue } from '../../core/core.ts'
import type { Model } from '../../core/ports/models.ts'
import type { Providers } from '../../core/providers/registry.ts'
import { drawing } from '../../core/request/choose-model.ts'
import { columnsOf, readRows } from '../../db/columns.ts'
import type { Database } from '../../db/database.ts'
import { workflowPacks } from '../../db/schema/operation.ts'
import type { Log } from '../../log.ts'
import { models as builtIn } from '../index.ts'
import { readBuiltInPacks } from './built-in.ts'
import { parsePack, readPacks } from './pack.ts'
import { PackError } from './pack-error.ts'

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
  /** Reads all packs again. */
  reload(): Promise<void>
  stop(): void
}

const reloadEveryMs = 5_000

/** Folders of packs: of all kinds, and an older one. */
export const packFolders = (dataDir: string): readonly string[] =>
  ['models', 'workflows'].map((name) => join(dataDir, name))

const packColumns = columnsOf({ id: workflowPacks.id, body: workflowPacks.body })

export async function keepCatalogue(options: CatalogueOptions): Promise<LiveCatalogue> {
  const { database, providers, folders, log } = options
  const models = options.models ?? [...builtIn, ...(await readBuiltInPacks())]
  let packs: readonly Model[] = []
  let reported = ''

  async function reload(): Promise<void> {
    const rows = await readRows(database, packColumns, (list) => sql`select ${list} from workflow_packs order by id`)
    const files = await Promise.all(folders.map(readPacks))
    const mistakes = files.flatMap((each, at) => each.mistakes.map((text) => `${basename(folders[at] ?? '')}/${text}`))
    const stored = rows.flatMap(({ id, body }) => {
      try {
        return [parsePack(body)]
      } catch (error) {
        const found = error instanceof PackError ? error.mistakes : [(error as Error).message]
        mistakes.push(...found.map((text) => `stored pack ${id}: ${text}`))
        return []
      }
    })
    packs = withoutTakenNames([...stored, ...files.flatMap((each) => each.models)], models, mistakes)
    const text = mistakes.join('\n')
    if (text !== reported && text !== '') log.error({ mistakes }, 'found mistakes in packs; skipping these packs')
    reported = text
  }

  const servedBy = (has: (provider: string) => boolean) =>
    [...models, ...packs].filter(({ routes }) => routes.some(({ provider }) => has(provider)))
  const all = () => servedBy((provider) => providers.get(provider) !== undefined)
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
    reload,
    stop: () => clearInterval(timer),
  }
}

/** The first to use a name keeps it: built-in models, then packs in the database, then files. */
function withoutTakenNames(packs: readonly Model[], models: readonly Model[], mistakes: string[]): Model[] {
  const names = new Set(models.flatMap(({ id, aliases }) => [id, ...aliases]))
  return packs.filter((pack) => {
    const taken = [pack.id, ...pack.aliases].find((name) => names.has(name))
    if (taken !== undefined) {
      mistakes.push(`${pack.id}: the name "${taken}" is taken by another model; choose another`)
      return false
    }
    for (const name of [pack.id, ...pack.aliases]) names.add(name)
    return true
  })
}
