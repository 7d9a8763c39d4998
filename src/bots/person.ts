/** The person that an option of a command names. */
import { accountOf, findAccount } from '../core/accounts/accounts.ts'
import type { Core } from '../core/core.ts'
import type { Call } from '../core/ports/chat.ts'

/** '@name', 'me', or an identity that the surface made of a mention. Throws AppError unknown_user. */
export async function personOf(core: Core, { from, surface }: Call, written: string) {
  const name = written.replace(/^@/, '')
  if (name.toLowerCase() === 'me') return { userId: await accountOf(core, from), name: from.name }
  return findAccount(core, surface, name)
}
