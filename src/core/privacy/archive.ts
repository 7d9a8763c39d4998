/** The files of an archive of what is kept about a person, one after the other, so that one picture is in memory at a time. */
import type { Core } from '../core.ts'
import { picturesOf, recordsOf } from './records.ts'

export interface ArchiveFile {
  name: string
  changedAt: Date
  content: Uint8Array | AsyncIterable<string>
}

/** A picture that the store does not have any more is left out. */
export async function* archiveOf(core: Core, userId: string): AsyncGenerator<ArchiveFile> {
  yield { name: 'data.json', changedAt: new Date(), content: recordsOf(core, userId) }
  for await (const { name, key, createdAt } of picturesOf(core, userId)) {
    const object = await core.store.get(key)
    if (object) yield { name, changedAt: createdAt, content: object.data }
  }
}
