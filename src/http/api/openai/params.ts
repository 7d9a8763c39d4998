/** The body of a request → `RequestParams`, in the words of the model that it names. */
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import type { RequestParams } from '../../../core/ports/models.ts'
import { parsePrompt } from '../../../core/request/parse.ts'
import { resolveModel } from '../resolve-model.ts'
import { meantBy } from './models.ts'
import type { ChatBody, EditsBody, GenerationsBody } from './schemas.ts'
import { aspectFor } from './sizes.ts'

/** Throws AppError. */
export function openAiParams(
  core: Core,
  holder: KeyHolder,
  body: GenerationsBody | EditsBody,
  images: number,
): RequestParams {
  const { n, size, steps, guidance, strength, enhance } = body
  const read = resolveModel(core, holder, { ...body, model: meantBy(body.model) }, images)
  return { ...read.params, aspect: aspectFor(read, size), count: n, steps, guidance, strength, enhance }
}

/** Flags in the words win over keys of the body, as they were written for this one picture. Throws AppError. */
export function chatParams(
  core: Core,
  holder: KeyHolder,
  body: ChatBody,
  said: { text: string; images: number },
): RequestParams {
  const written = parsePrompt(said.text)
  const { prompt, negative, model = body.model, seed = body.seed, aspect = body.size, count = body.n } = written
  const read = resolveModel(
    core,
    holder,
    { prompt, negative_prompt: negative, model: meantBy(model), seed },
    said.images,
  )
  return { ...written, ...read.params, aspect: aspectFor(read, aspect), count }
}
