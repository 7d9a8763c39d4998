/** Request bodies → `RequestParams`, with the size resolved for the requested model. */
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import { parsePrompt } from '../../../core/request/parse.ts'
import { type ModelRequest, resolveModel } from '../resolve-model.ts'
import { coreModelName } from './models.ts'
import type { ChatBody, EditsBody, GenerationsBody } from './schemas.ts'
import { aspectFor } from './sizes.ts'

/** Throws AppError. */
export function openAiParams(
  core: Core,
  holder: KeyHolder,
  body: GenerationsBody | EditsBody,
  images: number,
): ModelRequest {
  const { n, size, steps, guidance, strength, enhance } = body
  const resolved = resolveModel(core, holder, { ...body, model: coreModelName(body.model) }, images)
  const aspect = aspectFor(resolved, size)
  return {
    chosen: resolved,
    params: { ...resolved.params, aspect, count: n, steps, guidance, strength, enhance },
  }
}

/** Flags in the message take precedence over fields of the body. Throws AppError. */
export function chatParams(
  core: Core,
  holder: KeyHolder,
  body: ChatBody,
  message: { text: string; images: number },
): ModelRequest {
  const parsed = parsePrompt(message.text)
  const { prompt, negative, model = body.model, seed = body.seed, aspect = body.size, count = body.n } = parsed
  const resolved = resolveModel(
    core,
    holder,
    { prompt, negative_prompt: negative, model: coreModelName(model), seed, aspect: parsed.aspect },
    message.images,
  )
  const params = { ...parsed, ...resolved.params, aspect: aspectFor(resolved, aspect), count }
  return { chosen: resolved, params }
}
