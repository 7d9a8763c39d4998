/** The buttons below the answer to `/queue`. */
import { accountOf, currentAccount } from '../../core/accounts/accounts.ts'
import { AppError } from '../../core/errors.ts'
import { cancel } from '../../core/generation/cancel.ts'
import { actBy } from '../../core/results/access.ts'
import type { Action } from '../action.ts'
import { queueReply } from '../lists/queue.ts'

/** Shows the list as it is now. `ref`: the account whose requests it lists. */
export const queueAction: Action = {
  name: 'queue',
  who: 'everyone',
  async run({ core, call, values: { ref } }) {
    const userId = await accountOf(core, call.from)
    if (userId !== (await currentAccount(core, ref))) throw new AppError('not_yours')
    return queueReply(core, call, userId)
  },
}

/** Cancels one of the requests in the list, and shows the others. */
export const dropAction: Action = {
  name: 'drop',
  who: 'asker',
  async run({ core, call, values: { ref } }) {
    const outcome = await cancel(core, null, ref, await actBy(core, call))
    if (outcome?.state !== 'cancelled') throw new AppError('already_ended')
    return queueReply(core, call, outcome.userId)
  },
}
