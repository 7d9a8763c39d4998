/** `/cancel [id]`: stops a request of the person; without an id, the newest one. */
import { accountOf } from '../../core/accounts/accounts.ts'
import { AppError } from '../../core/errors.ts'
import { cancel, cancelNewest } from '../../core/generation/cancel.ts'
import { findRequest } from '../../core/ids.ts'
import { shorten } from '../../core/text.ts'
import { isSeenByOthers } from '../aside.ts'
import { defineCommand } from '../command.ts'

const promptLength = 200

export const cancelCommand = defineCommand({
  name: 'cancel',
  needs: 'everyone',
  audience: 'private',
  options: { id: { type: 'text' } },
  async run({ core, call, words, values: { id: written } }) {
    const userId = await accountOf(core, call.from)
    const id = written === undefined ? undefined : await findRequest(core, userId, written)
    if (written !== undefined && id === undefined) throw new AppError('unknown_request')
    const outcome = await (id === undefined ? cancelNewest(core, { userId, key: call.key }) : cancel(core, userId, id))
    if (outcome && outcome.state !== 'cancelled') throw new AppError('already_ended')
    const isHidden = outcome?.private && isSeenByOthers(core, call)
    const prompt = isHidden ? '🔒' : shorten(outcome?.prompt ?? '', promptLength)
    const text = outcome ? words.queue.cancelled(prompt) : words.queue.none
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})
