/** `/describe [id]`: writes a prompt for a picture that is attached, replied to, or the person's own and named by its id. */
import { AppError } from '../../core/errors.ts'
import { asInput, pictureOf } from '../../core/generation/result.ts'
import { ownResult } from '../../core/results/own.ts'
import { defineCommand } from '../command.ts'
import { describedReply } from '../drafts.ts'

export const describeCommand = defineCommand({
  name: 'describe',
  needs: 'everyone',
  audience: 'public',
  options: { image: { type: 'image' }, id: { type: 'text' } },
  async run({ core, call, settings, values: { id }, images }) {
    const result = id === undefined ? undefined : await ownResult(core, call.from, id)
    const [picture, ...others] = result ? [asInput(core, pictureOf(result)), ...images] : images
    if (!picture) throw new AppError('image_needed', { model: '/describe', count: 1 })
    if (others.length > 0) throw new AppError('too_many_images', { model: '/describe', limit: 1 })
    const isPrivate = result?.private ?? false
    const reply = await describedReply(core, call, { picture, settings, private: isPrivate })
    return { ...reply, private: isPrivate, confidential: isPrivate }
  },
})
