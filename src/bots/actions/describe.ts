/** Writes a prompt for one picture of a result. */
import { asInput, pictureOf, resultOf } from '../../core/generation/result.ts'
import { describePicture } from '../../core/results/describe.ts'
import type { Action } from '../action.ts'

export const describeAction: Action = {
  name: 'describe',
  who: 'viewer',
  answers: 'private',
  async run({ core, call, words, values: { ref, number } }) {
    const picture = asInput(core, pictureOf(await resultOf(core, ref), number))
    const text = words.described(await describePicture(core, call.from, picture))
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
}
