/** Draws a variation of one picture, from its original. The presser pays. */
import { AppError } from '../../core/errors.ts'
import { asInput, maskFrom, pictureOf, resultOf } from '../../core/generation/result.ts'
import { variationOf } from '../../core/results/again.ts'
import type { Action } from '../action.ts'
import { submitOffer } from '../submit.ts'

export const varyAction: Action = {
  name: 'vary',
  who: 'viewer',
  answers: 'public',
  async run({ core, call, settings, values: { ref, number } }) {
    const result = await resultOf(core, ref)
    const { allowed } = settings.chosen
    // if no allowed model makes variations, the request is refused with the list of allowed models
    const variation = variationOf(core, { ...result, allowed }, number) ?? variationOf(core, result, number)
    if (!variation) throw new AppError('provider_missing', { model: result.model })
    const { chosen, params } = variation
    const picture = pictureOf(result, number)
    return submitOffer(core, call, {
      chosen,
      params,
      images: params.continues ? [] : [asInput(core, picture, { exact: params.mask === true })],
      mask: params.mask && maskFrom(core, result, picture),
      parent: { id: ref, button: 'vary' },
      result,
      offers: ['vary'],
    })
  },
}
