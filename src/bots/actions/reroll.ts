/** Draws the same request again with another seed. The presser pays. */
import { asInput, maskFrom, resultOf } from '../../core/generation/result.ts'
import { rerollOf, rerollRefused } from '../../core/results/again.ts'
import type { Action } from '../action.ts'
import { submitOffer } from '../submit.ts'

export const rerollAction: Action = {
  name: 'reroll',
  who: 'viewer',
  answers: 'public',
  async run({ core, call, values: { ref } }) {
    const result = await resultOf(core, ref)
    const reroll = rerollOf(core, result)
    if (!reroll) throw rerollRefused(core, result)
    const { chosen, params } = reroll
    return submitOffer(core, call, {
      chosen,
      params,
      images: params.continues ? [] : result.inputs.map((picture) => asInput(core, picture)),
      mask: params.mask && maskFrom(core, result),
      parent: { id: ref, button: 'reroll' },
      result,
      offers: ['reroll'],
    })
  },
}
