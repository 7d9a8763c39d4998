/** Lines of `/credits` about the entries that changed a balance. */
import { type Entry, lastEntries } from '../../core/billing/ledger.ts'
import type { Core } from '../../core/core.ts'
import { utcText } from '../../core/text.ts'
import type { Words } from '../../locales/index.ts'

export async function entryLines(
  core: Core,
  words: Words,
  { userId, limit }: { userId: string; limit: number },
): Promise<string[]> {
  const entries = await lastEntries(core, userId, limit)
  return entries.map((entry) => entryLine(words, entry))
}

export function entryLine(words: Words, { amount, kind, source, reason, createdAt }: Entry): string {
  const origin = source === null || source === 'admin' ? words.entryKinds[kind] : words.entrySources[source]
  return words.entry({ amount, reason: reason || origin, when: utcText(createdAt) })
}
