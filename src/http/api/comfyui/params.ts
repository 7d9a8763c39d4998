/** Request bodies → `RequestParams`, with the size resolved for the requested model. */
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import type { Range, Takes } from '../../../core/ports/models.ts'
import { defaultModel as defaultModelOf } from '../../../core/request/choose-model.ts'
import { promptLimit } from '../../../core/request/parse.ts'
import { cleanLines } from '../../../core/text.ts'
import { aspectIn, type ModelRequest, type ResolvedModel, resolveModel } from '../resolve-model.ts'
import type { GenerateBody } from './schemas.ts'

/** In order of preference. */
const comfyuiModels = ['comfy-dev', 'comfy-schnell', 'comfy-kontext', 'comfy-fill']
const defaultSide = 1024
const defaultSteps = 20
const defaultGuidance = 3.5

/** Throws AppError. */
export function comfyuiParams(core: Core, holder: KeyHolder, body: GenerateBody, images: number): ModelRequest {
  const prompt = cutPrompt(body.prompt)
  const build = (resolved: ResolvedModel) => ({
    ...resolved.params,
    ...(prompt !== body.prompt && { fit: { ignored: [], adjusted: ['prompt'] } }),
    aspect: aspectIn(resolved, undefined, sizeOf(body)),
    count: body.num_images ?? body.n,
    steps: body.steps ?? stepsFor(resolved.takes),
    guidance: body.guidance_scale ?? ifWithin(resolved.takes.params.guidance, defaultGuidance),
    strength: body.strength ?? body.denoise,
  })
  return resolveModel(core, { holder, fields: { ...body, prompt }, images, build, prefer: comfyuiModels })
}

/** Cuts long prompts as wrappers of ComfyUI do; its text encoders take even fewer characters. The response says so. */
function cutPrompt(prompt: string | undefined): string | undefined {
  if (prompt === undefined || cleanLines(prompt).length <= promptLimit) return prompt
  const start = cleanLines(prompt).slice(0, promptLimit)
  // between words, and never between the two halves of a character
  return /^[\s\S]*(?=\s)/.exec(start)?.[0] ?? start.replace(/[\uD800-\uDBFF]$/, '')
}

/** The model for requests without pictures: the first ComfyUI model, or else the default model of the service. */
export function defaultModel(core: Core, { models }: KeyHolder): string {
  return defaultModelOf(core, models, { images: 0, words: true, prefer: comfyuiModels })
}

export const allows = ({ models }: KeyHolder, id: string) => models === null || models.includes(id)

/** Models without guidance are distilled: they need only a few steps and have their own default. */
function stepsFor({ params }: Takes): number | undefined {
  return params.guidance && ifWithin(params.steps, defaultSteps)
}

function ifWithin(range: Range | undefined, value: number): number | undefined {
  return range && value >= range.min && value <= range.max ? value : undefined
}

/** A missing side gets the default. */
function sizeOf({ width, height }: GenerateBody): string | undefined {
  return width === undefined && height === undefined ? undefined : `${width ?? defaultSide}x${height ?? defaultSide}`
}
