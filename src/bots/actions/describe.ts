/** Writes a prompt for one picture of a result. */
import { asInput, pictureOf, resultOf } from '../../core/generation/result.ts'
import type { Action } from '../action.ts'
import { describedReply } from '../drafts.ts'

export const describeAction: Action = {
  name: 'describe',
  who: 'viewer',
  answers: 'private',
  async run({ core, call, settings, values: { ref, number } }) {
    const result = await resultOf(core, ref)
    const picture = asInput(core, pictureOf(result, number))
    return { ...(await describedReply(core, call, { picture, settings, private: result.private })), private: true }
  },
}
