/** Packs that are stored in the database. */
import { createHash } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import { actOnce, audited } from '../../core/accounts/audit.ts'
import type { Model } from '../../core/ports/models.ts'
import type { PackStore, StoredPack } from '../../core/ports/packs.ts'
import { columnsOf, readRows } from '../../db/columns.ts'
import type { Database } from '../../db/database.ts'
import type { Json } from '../../db/json.ts'
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
    async store(text, actor) {
      const parsed = read(text)
      if ('mistakes' in parsed) return parsed
      const { id, aliases } = parsed
      const mistakes = await database.db.transaction(async (tx) => {
        // of several at once, each sees the names of those before; reading goes on meanwhile
        await tx.execute(sql`lock table workflow_packs in share row exclusive mode`)
        const stored = await tx.select({ id: workflowPacks.id, text: workflowPacks.body }).from(workflowPacks)
        const others = stored.flatMap((each) => (each.id === id ? [] : (modelIn(each) ?? [])))
        const taken = new Set([...models, ...others].flatMap((model) => [model.id, ...model.aliases]))
        const found = [id, ...aliases].filter((name) => taken.has(name)).map(takenMistake)
        if (found.length > 0) return found
        const saved = { id, body: text }
        await tx
          .insert(workflowPacks)
          .values(saved)
          .onConflictDoUpdate({ target: workflowPacks.id, set: { body: text } })
        const before = stored.find((each) => each.id === id)
        const change = { before: before && recordOf(before), after: recordOf({ id, text }) }
        await database.rows(audited(actOnce(actor, before ? 'pack change' : 'pack add', id), change), tx)
        return []
      })
      if (mistakes.length > 0) return { mistakes }
      await reload()
      return { id }
    },
    async remove(id, actor) {
      const isRemoved = await database.db.transaction(async (tx) => {
        const [removed] = await tx
          .delete(workflowPacks)
          .where(eq(workflowPacks.id, id))
          .returning({ id: workflowPacks.id, text: workflowPacks.body })
        if (!removed) return false
        await database.rows(audited(actOnce(actor, 'pack remove', id), { before: recordOf(removed) }), tx)
        return true
      })
      await reload()
      return isRemoved
    },
  }
}

/** As the audit log keeps it: the hash tells two versions apart, and nothing that a pack may hold is copied. */
function recordOf(pack: StoredPack): Json {
  const model = modelIn(pack)
  const sha256 = createHash('sha256').update(pack.text).digest('hex')
  const providers = [...new Set(model?.routes.map(({ provider }) => provider))]
  return { title: model?.title ?? null, providers, sha256 }
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
