/** The body of a request → a wish, in the words of the model that it names. */
import type { Holder } from '../../../core/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import type { Wish } from '../../../core/ports.ts'
import { promptLimit, readSeed } from '../../../core/prompt.ts'
import { takenWith } from '../../../core/request.ts'
import { cleanText } from '../../../core/text.ts'
import { modelFor } from './models.ts'
import type { EditsBody, GenerationsBody } from './schemas.ts'
import { aspectOf } from './sizes.ts'

/** Throws AppError and OpenAiError. The prompt is taken as it is: flags belong to chats. */
export function wishOf(core: Core, holder: Holder, body: GenerationsBody | EditsBody, images: number): Wish {
  const { n, size, seed, steps, guidance, strength, negative_prompt, enhance } = body
  const prompt = cleanText(body.prompt ?? '')
  if (prompt.length > promptLimit) throw new AppError('prompt_too_long', { limit: promptLimit })
  const negative = cleanText(negative_prompt ?? '').slice(0, promptLimit)
  return {
    prompt,
    ...placed(core, holder, { model: body.model, size }, images),
    count: n,
    seed: seed === undefined ? undefined : readSeed(String(seed)),
    steps,
    guidance,
    strength,
    negative: negative === '' ? undefined : negative,
    enhance,
  }
}

/** The model that the name means, and the size as that model knows it. */
export function placed(
  core: Core,
  holder: Holder,
  { model: name, size }: { model?: string; size?: string },
  images: number,
): { model: string; aspect: string | undefined } {
  const model = modelFor(core, holder, name)
  const takes = takenWith(model, images, (provider) => core.providers.get(provider) !== undefined)
  return { model: model.id, aspect: aspectOf(model, takes, size) }
}
