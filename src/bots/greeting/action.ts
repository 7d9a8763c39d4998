/** Draws an example of the greeting. The presser pays. */
import { AppError } from '../../core/errors.ts'
import type { Action } from '../action.ts'
import { draftFor, submitFor } from '../submit.ts'
import { exampleRequest } from './greeting.ts'

export const exampleAction: Action = {
  name: 'example',
  who: 'everyone',
  answers: 'public',
  async run(asked) {
    const { core, call, words, values } = asked
    // 'greeting-2'
    const number = Number(values.ref.split('-')[1])
    if (!words.greeting.examples[number - 1]) throw new AppError('unknown_button')
    const { isDraft, ...wanted } = exampleRequest(asked, number)
    return (isDraft ? draftFor : submitFor)(core, call, { ...wanted, images: [] })
  },
}
