/** `/unban @user`: also for a person who has deleted the account, whose ban was kept. */
import { unban, unbanDeleted } from '../../../core/accounts/banning.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import { callHash } from '../../../core/ids.ts'
import type { Call } from '../../../core/ports/chat.ts'
import { defineCommand } from '../../command.ts'
import { personOf } from './person.ts'

export const unbanCommand = defineCommand({
  name: 'unban',
  needs: 'admin',
  audience: 'private',
  options: { user: { type: 'user', required: true } },
  async run({ core, call, words, values: { user } }) {
    const ended = await endBan(core, call, user)
    const text = ended.wasBanned ? words.admin.unbanned(ended.name) : words.admin.notBanned(ended.name)
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})

/** Throws AppError unknown_user. */
async function endBan(core: Core, call: Call, user: string): Promise<{ name: string; wasBanned: boolean }> {
  const act = { actor: call.from.id, key: `unban:${callHash(core, call.key)}` }
  try {
    const { userId, name } = await personOf(core, call, user)
    return { name, wasBanned: await unban(core, { userId, ...act }) }
  } catch (error) {
    if (!(error instanceof AppError) || error.kind !== 'unknown_user') throw error
    const names = [user, `${call.surface}:${user}`]
    if (!(await unbanDeleted(core, { names, ...act }))) throw error
    return { name: user, wasBanned: true }
  }
}
