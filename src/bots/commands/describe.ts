/** `/describe [id]`: writes a prompt for a picture that is attached, replied to, or the person's own and named by its id. */
import { AppError } from '../../core/errors.ts'
import { asInput, pictureOf } from '../../core/generation/result.ts'
import { describePicture } from '../../core/results/describe.ts'
import { ownResult } from '../../core/results/own.ts'
import { defineCommand } from '../command.ts'

export const describeCommand = defineCommand({
  name: 'describe',
  needs: 'everyone',
  audience: 'public',
  options: { image: { type: 'image' }, id: { type: 'text' } },
  async run({ core, call, words, values: { id }, images }) {
    const result = id === undefined ? undefined : await ownResult(core, call.from, id)
    const [picture, ...others] = result ? [asInput(core, pictureOf(result)), ...images] : images
    if (!picture) throw new AppError('image_needed', { model: '/describe', count: 1 })
    if (others.length > 0) throw new AppError('too_many_images', { model: '/describe', limit: 1 })
    const text = words.described(await describePicture(core, call.from, picture))
    const isPrivate = result?.private
    return {
      locale: call.locale,
      state: 'info',
      content: { kind: 'text', text },
      private: isPrivate,
      confidential: isPrivate,
    }
  },
})
