/** The person that an option names. */
import { accountOf, findAccount } from '../../../core/accounts/accounts.ts'
import type { Core } from '../../../core/core.ts'
import type { Call } from '../../../core/ports/chat.ts'

export interface NamedPerson {
  userId: string
  name: string
}

/** Where people have no handles, so that those of every platform count. */
const withoutHandles = new Set(['api', 'cli', 'web'])

/** '@name', 'me', or an identity that the surface made of a mention. Throws AppError unknown_user, ambiguous. */
export async function personOf(core: Core, { from, surface }: Call, written: string): Promise<NamedPerson> {
  const name = written.replace(/^@/, '')
  if (name.toLowerCase() === 'me') return { userId: await accountOf(core, from), name: from.name }
  return findAccount(core, { written: name, surface: withoutHandles.has(surface) ? undefined : surface })
}
