/** `/show id`: a picture of one's own again, with its buttons. */
import { accountOf } from '../../core/accounts/accounts.ts'
import { AppError } from '../../core/errors.ts'
import { readResult } from '../../core/generation/result.ts'
import { findRequest } from '../../core/ids.ts'
import { showAgain } from '../../core/results/show.ts'
import { defineCommand } from '../command.ts'

export const showCommand = defineCommand({
  name: 'show',
  needs: 'everyone',
  audience: 'public',
  options: { id: { type: 'text', required: true } },
  async run({ core, call, values }) {
    const id = await findRequest(core, await accountOf(core, call.from), values.id)
    const result = id === undefined ? undefined : await readResult(core, id)
    if (!result) throw new AppError('unknown_request')
    if (result.private && !call.isPrivate) throw new AppError('shown_privately')
    return { ...(await showAgain(core, result)), shows: result.id }
  },
})
