/** What was sent → `RequestParams`, in the words of the model that it names. */
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import type { Range, Takes } from '../../../core/ports/models.ts'
import { canServe, defaultModel as defaultModelOf, type Needs } from '../../../core/request/choose-model.ts'
import { aspectIn, type ModelRequest, resolveModel } from '../resolve-model.ts'
import type { GenerateBody } from './schemas.ts'

/** In the order of preference. */
const ownModels = ['comfy-dev', 'comfy-schnell', 'comfy-kontext']
const usualSide = 1024
const usualStepCount = 20
const usualGuidance = 3.5

/** Throws AppError. */
export function comfyuiParams(core: Core, holder: KeyHolder, body: GenerateBody, images: number): ModelRequest {
  const named = body.model ?? defaultModel(core, holder, { images, words: Boolean(body.prompt) })
  const resolved = resolveModel(core, holder, { ...body, model: named }, images)
  return {
    chosen: resolved,
    params: {
      ...resolved.params,
      aspect: aspectIn(resolved, undefined, sizeOf(body)),
      count: body.num_images ?? body.n,
      steps: body.steps ?? usualSteps(resolved.takes),
      guidance: body.guidance_scale ?? usual(resolved.takes.params.guidance, usualGuidance),
      strength: body.strength ?? body.denoise,
    },
  }
}

/** The first ComfyUI model that can serve the request. If there is none: the default model of the service. */
export function defaultModel(core: Core, holder: KeyHolder, needs: Needs = { images: 0, words: true }): string {
  const own = ownModels.find((id) => allows(holder, id) && isServed(core, id, needs))
  return own ?? defaultModelOf(core, holder.models, needs)
}

export const allows = ({ models }: KeyHolder, id: string) => models === null || models.includes(id)

function isServed(core: Core, id: string, needs: Needs = { images: 0, words: true }): boolean {
  const model = core.models.all().find((each) => each.id === id)
  return model !== undefined && canServe(core, model, needs)
}

/** Models without guidance are distilled: they need a few steps only, and know how many. */
function usualSteps({ params }: Takes): number | undefined {
  return params.guidance && usual(params.steps, usualStepCount)
}

/** undefined: the model does not take it. */
function usual(range: Range | undefined, value: number): number | undefined {
  return range && value >= range.min && value <= range.max ? value : undefined
}

/** Half a size is filled up. */
function sizeOf({ width, height }: GenerateBody): string | undefined {
  return width === undefined && height === undefined ? undefined : `${width ?? usualSide}x${height ?? usualSide}`
}
