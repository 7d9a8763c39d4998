/** Request bodies → `RequestParams`, with the size resolved for the requested model. */
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import type { Attachment } from '../../../core/ports/chat.ts'
import { offeredAspects } from '../../../core/request/choose-model.ts'
import { parsePrompt } from '../../../core/request/parse.ts'
import type { ExpandField } from '../areas.ts'
import { type ModelRequest, type ResolvedModel, resolveModel } from '../resolve-model.ts'
import { coreModelName } from './models.ts'
import type { ChatBody, EditsBody, GenerationsBody } from './schemas.ts'
import { countOf, shapeOf } from './shape.ts'
import { aspectFor } from './sizes.ts'

/** Throws AppError. */
export function openAiParams(
  core: Core,
  holder: KeyHolder,
  body: GenerationsBody | EditsBody,
  { images, mask }: { images: number; mask?: Attachment },
): ModelRequest {
  const { steps, guidance, strength, scale, enhance } = body
  const build = (resolved: ResolvedModel) => {
    const aspect = shapeOf(resolved, body)
    return { ...resolved.params, aspect, count: countOf(body), steps, guidance, strength, scale, enhance }
  }
  const expand = 'expand' in body ? (body.expand as ExpandField) : undefined
  const fields = { ...body, mask, expand, model: coreModelName(core, body.model) }
  return resolveModel(core, { holder, fields, images, build })
}

/** Flags in the message take precedence over fields of the body. Throws AppError. */
export function chatParams(
  core: Core,
  holder: KeyHolder,
  body: ChatBody,
  message: { text: string; images: number },
): ModelRequest {
  const parsed = parsePrompt(message.text, { ratios: offeredAspects(core.models.all()), lines: true })
  const { prompt, negative, model = body.model, seed = body.seed, count = countOf(body), expand, loras } = parsed
  const build = (resolved: ResolvedModel) => ({
    ...parsed,
    ...resolved.params,
    aspect: parsed.aspect === undefined ? shapeOf(resolved, body) : aspectFor(resolved, parsed.aspect),
    count,
  })
  const named = coreModelName(core, model)
  const fields = { prompt, negative_prompt: negative, model: named, seed, expand, loras }
  return resolveModel(core, { holder, fields, images: message.images, build })
}
