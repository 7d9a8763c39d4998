/** The models that can be drawn with now: those in the code whose provider is set up, and what operators packed. */
import { sql } from 'drizzle-orm'
import type { Catalogue } from '../../core/core.ts'
import type { Model } from '../../core/ports/models.ts'
import type { Providers } from '../../core/providers/registry.ts'
import { listed } from '../../core/request/choose-model.ts'
import type { Database } from '../../db/db.ts'
import type { Log } from '../../log.ts'
import { models as builtIn } from '../index.ts'
import { readPack, readPacks } from './packs.ts'

interface CatalogueOptions {
  database: Database
  providers: Providers
  /** Instead of those in the code. */
  models?: readonly Model[]
  /** Workflow packs as files (docs/workflow-packs.md). */
  folder: string
  log: Log
}

export interface LiveCatalogue extends Catalogue {
  /** Looks for packs that came, went or changed. */
  reload(): Promise<void>
  stop(): void
}

const lookEveryMs = 5_000

export async function keepCatalogue(options: CatalogueOptions): Promise<LiveCatalogue> {
  const { database, providers, folder, log, models = builtIn } = options
  let packs: readonly Model[] = []
  let said = ''

  async function reload(): Promise<void> {
    const rows = await database.rows<{ id: string; body: string }>(sql`select id, body from workflow_packs order by id`)
    const files = await readPacks(folder)
    const mistakes = [...files.mistakes]
    const stored = rows.flatMap(({ id, body }) => {
      try {
        return [readPack(body)]
      } catch (error) {
        mistakes.push(`${id}: ${(error as Error).message}`)
        return []
      }
    })
    packs = unlike(models, [...stored, ...files.models], mistakes)
    const text = mistakes.join('\n')
    if (text !== said && text !== '') log.error({ mistakes }, 'some workflow packs cannot be used')
    said = text
  }

  const drawnBy = (has: (provider: string) => boolean) =>
    [...models, ...packs].filter(({ routes }) => routes.some(({ provider }) => has(provider)))
  const all = () => drawnBy((provider) => providers.get(provider) !== undefined)
  await reload()
  const timer = setInterval(
    () => void reload().catch((error: unknown) => log.warn({ err: error }, 'workflow packs were not read')),
    lookEveryMs,
  )
  timer.unref()

  return {
    all,
    of: (name) => drawnBy((provider) => provider === name),
    preferred() {
      const known = all()
      const wanted = providers.all().flatMap(({ defaultModel }) => (defaultModel === undefined ? [] : [defaultModel]))
      const chosen = wanted.map((name) => known.find(({ id, aliases }) => id === name || aliases.includes(name)))
      return chosen.find((model) => model !== undefined)?.id ?? listed(known)[0]?.id ?? 'sketch'
    },
    reload,
    stop: () => clearInterval(timer),
  }
}

/** A name belongs to whoever had it first: the code, then what is stored, then files. */
function unlike(models: readonly Model[], packs: readonly Model[], mistakes: string[]): Model[] {
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
