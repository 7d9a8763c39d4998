/** Packs that are stored in the database. */
import { sql } from 'drizzle-orm'
import type { Model } from '../../core/ports/models.ts'
import type { PackStore, StoredPack } from '../../core/ports/packs.ts'
import { columnsOf, readRows } from '../../db/columns.ts'
import type { Database } from '../../db/database.ts'
import { workflowPacks } from '../../db/schema/operation.ts'
import { parsePack } from './pack.ts'
import { PackError } from './pack-error.ts'

const columns = columnsOf({ id: workflowPacks.id, text: workflowPacks.body })

export const readStoredPacks = (database: Database): Promise<StoredPack[]> =>
  readRows(database, columns, (list) => sql`select ${list} from workflow_packs order by id`)

interface PackStoreOptions {
  /** Models whose names packs cannot have. */
  models: readonly Model[]
  reload(): Promise<void>
}

export function createPackStore(database: Database, { models, reload }: PackStoreOptions): PackStore {
  return {
    list: () => readStoredPacks(database),
    async store(text) {
      const parsed = read(text)
      if ('mistakes' in parsed) return parsed
      const { id, aliases } = parsed
      const others = (await readStoredPacks(database)).flatMap((each) => (each.id === id ? [] : (modelIn(each) ?? [])))
      const taken = new Set([...models, ...others].flatMap((model) => [model.id, ...model.aliases]))
      const mistakes = [id, ...aliases].filter((name) => taken.has(name)).map(takenMistake)
      if (mistakes.length > 0) return { mistakes }
      await database.rows(sql`
        insert into workflow_packs (id, body) values (${id}, ${text}) on conflict (id) do update set body = excluded.body`)
      await reload()
      return { id }
    },
    async remove(id) {
      const removed = await database.rows(sql`delete from workflow_packs where id = ${id} returning id`)
      await reload()
      return removed.length > 0
    },
  }
}

export const takenMistake = (name: string) => `the name "${name}" is taken by another model; choose another`

function read(text: string): Model | { mistakes: readonly string[] } {
  try {
    return parsePack(text)
  } catch (error) {
    return { mistakes: mistakesOf(error) }
  }
}

/** undefined: it was stored by another version, whose form this one does not know. */
function modelIn({ text }: StoredPack): Model | undefined {
  const parsed = read(text)
  return 'mistakes' in parsed ? undefined : parsed
}

export const mistakesOf = (error: unknown): readonly string[] =>
  error instanceof PackError ? error.mistakes : [(error as Error).message]
