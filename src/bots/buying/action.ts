/** The buttons of `/buy` and `/credits`: what is for sale, and the invoice of a package. The person who presses is the buyer. */
import { AppError } from '../../core/errors.ts'
import type { Action } from '../action.ts'
import { offerPackages } from './packages.ts'

export const buyAction: Action = {
  name: 'buy',
  who: 'everyone',
  answers: 'private',
  async run({ core, call, words, values: { ref } }) {
    if (!core.surfaces.get(call.surface)?.payments) throw new AppError('unknown_button')
    return offerPackages({ core, call, words }, ref)
  },
}
