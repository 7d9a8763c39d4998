/** What others in a group would see, and where an answer goes that only one person may see. */
import type { Core } from '../core/core.ts'
import type { Call } from '../core/ports/chat.ts'
import { wordsFor } from '../locales/index.ts'
import type { Answer } from './command.ts'

/** Whether others read what is `private` in the answer to a command. */
export const isSeenByOthers = ({ surfaces }: Core, { surface, place }: Pick<Call, 'surface' | 'place'>): boolean =>
  place.group !== undefined && !surfaces.get(surface)?.answersPrivately

/**
 * Where an answer goes that only the person may see. undefined: the chat of the call can show it to the person alone. Throws
 * AppError cannot_write_privately.
 */
export async function asideOf(core: Core, call: Call): Promise<Answer['elsewhere']> {
  const { surface: name, address: here, place, locale, from } = call
  const surface = core.surfaces.get(name)
  if (!place.group || !surface?.privately) return undefined
  const address = await surface.privately(here, from)
  if (address === here) return undefined
  const content = { kind: 'text', text: wordsFor(locale).sentPrivately } as const
  return { address, notice: { locale, state: 'info', content } }
}
