/** The request → `RequestParams`, with the size resolved for the requested model. */
import type { KeyHolder } from '../../../../core/accounts/api-keys.ts'
import type { Core } from '../../../../core/core.ts'
import { offeredAspects } from '../../../../core/request/choose-model.ts'
import { parsePrompt } from '../../../../core/request/parse.ts'
import { type ModelRequest, type ResolvedModel, resolveModel } from '../../resolve-model.ts'
import { coreModelName, isModel } from '../models.ts'
import { shapeOf } from '../shape.ts'
import { aspectFor } from '../sizes.ts'
import { drawingFields, type ResponsesBody } from './schemas.ts'

/** Flags in the message take precedence over fields of the tool, and those over fields of the body. Throws AppError. */
export function responseParams(
  core: Core,
  holder: KeyHolder,
  body: ResponsesBody,
  message: { text: string; images: number },
): ModelRequest {
  const parsed = parsePrompt(message.text, { ratios: offeredAspects(core.models.all()), lines: true })
  const { steps, guidance, strength, scale, enhance, ...fields } = drawingOf(body)
  const { prompt, negative = fields.negative_prompt, model = modelIn(core, body), seed = fields.seed, expand } = parsed
  const { loras = fields.loras } = parsed
  const build = (resolved: ResolvedModel) => ({
    ...{ steps, guidance, strength, scale, enhance },
    ...parsed,
    ...resolved.params,
    aspect: parsed.aspect === undefined ? shapeOf(resolved, fields) : aspectFor(resolved, parsed.aspect),
  })
  const resolved = { prompt, negative_prompt: negative, model: nameOf(core, model), seed, expand, loras }
  return resolveModel(core, { holder, fields: resolved, images: message.images, build })
}

type DrawingFields = Pick<ResponsesBody, (typeof drawingFields)[number]>

function drawingOf({ tools: [tool] = [], ...body }: ResponsesBody): DrawingFields {
  return Object.fromEntries(drawingFields.map((name) => [name, tool?.[name] ?? body[name]])) as DrawingFields
}

/** The model of the tool, if it names one; its name at OpenAI leaves the choice to the body. */
function modelIn(core: Core, { tools: [tool] = [], model }: ResponsesBody): string | undefined {
  return nameOf(core, tool?.model) ?? model
}

/** Names of the language models that call the tool at OpenAI, in any version. */
const languageModel = /^(gpt-|chatgpt-|o\d)/i

/** undefined: the default model of the key. */
const nameOf = (core: Core, name: string | undefined) =>
  name !== undefined && languageModel.test(name) && !isModel(core, name) ? undefined : coreModelName(core, name)
