/** Commands for packs in the database, which all processes share. */
import { terminalIdentity } from '../bots/terminal/terminal.ts'
import type { PackStore } from '../core/ports/packs.ts'
import { PackError } from '../models/packs/pack-error.ts'

const none = 'No packs are stored in the database. Packs in DATA_DIR/models and DATA_DIR/workflows work as well.'

export async function listPacks(packs: PackStore): Promise<string> {
  return (await packs.list()).map(({ id }) => id).join('\n') || none
}

/** Throws PackError. */
export async function addPack(packs: PackStore, text: string): Promise<string> {
  const stored = await packs.store(text, terminalIdentity)
  if ('mistakes' in stored) throw new PackError(stored.mistakes)
  return `Stored as model ${stored.id}.`
}

export async function removePack(packs: PackStore, id: string): Promise<string> {
  return (await packs.remove(id, terminalIdentity)) ? 'Removed.' : `There is no pack "${id}" in the database.`
}
