/** Makes one picture twice as large, from its original, or takes it out of a grid. The presser pays. */
import { AppError } from '../../core/errors.ts'
import { asInput, pictureOf, resultOf } from '../../core/generation/result.ts'
import { enlargementOf } from '../../core/results/again.ts'
import type { Action } from '../action.ts'
import { submitOffer } from '../submit.ts'

export const upscaleAction: Action = {
  name: 'upscale',
  who: 'viewer',
  answers: 'public',
  async run({ core, call, values: { ref, number } }) {
    const result = await resultOf(core, ref)
    const enlargement = enlargementOf(core, result, number)
    if (!enlargement) throw new AppError('provider_missing', { model: 'upscale' })
    const { chosen, params } = enlargement
    const picture = pictureOf(result, number)
    return submitOffer(core, call, {
      chosen,
      params,
      images: params.continues ? [] : [asInput(core, picture, { exact: true })],
      parent: { id: ref, button: 'upscale' },
      result,
      offers: ['upscale'],
    })
  },
}
