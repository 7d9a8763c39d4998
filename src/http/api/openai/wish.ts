/** The body of a request → a wish, in the words of the model that it names. */
import type { Holder } from '../../../core/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import type { Wish } from '../../../core/ports.ts'
import { parsePrompt } from '../../../core/prompt.ts'
import { readWish } from '../wish.ts'
import { meantBy } from './models.ts'
import type { ChatBody, EditsBody, GenerationsBody } from './schemas.ts'
import { aspectFor } from './sizes.ts'

/** Throws AppError. */
export function wishOf(core: Core, holder: Holder, body: GenerationsBody | EditsBody, images: number): Wish {
  const { n, size, steps, guidance, strength, enhance } = body
  const read = readWish(core, holder, { ...body, model: meantBy(body.model) }, images)
  return { ...read.wish, aspect: aspectFor(read, size), count: n, steps, guidance, strength, enhance }
}

/** Flags in the words win over keys of the body, as they were written for this one picture. Throws AppError. */
export function chatWishOf(core: Core, holder: Holder, body: ChatBody, said: { text: string; images: number }): Wish {
  const written = parsePrompt(said.text)
  const { prompt, negative, model = body.model, seed = body.seed, aspect = body.size, count = body.n } = written
  const read = readWish(core, holder, { prompt, negative_prompt: negative, model: meantBy(model), seed }, said.images)
  return { ...written, ...read.wish, aspect: aspectFor(read, aspect), count }
}
