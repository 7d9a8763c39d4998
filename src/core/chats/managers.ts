/** Who manages a group, as its platform says. */
import type { Core } from '../core.ts'
import type { Call } from '../ports/chat.ts'

/** False in a private chat. Rejects with AppError chat_unavailable where the platform has to be asked and does not answer. */
export async function managesGroup({ surfaces }: Core, { from, place, surface }: Call): Promise<boolean> {
  return place.manager || ((await surfaces.get(surface)?.manages?.(place, from)) ?? false)
}
