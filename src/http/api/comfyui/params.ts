/** Request bodies → `RequestParams`, with the size resolved for the requested model. */
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import { canServe, defaultModel as defaultModelOf, type Needs } from '../../../core/request/choose-model.ts'
import { aspectIn, type ModelRequest, resolveModel } from '../resolve-model.ts'
import type { GenerateBody } from './schemas.ts'

/** In order of preference. */
const comfyuiModels = ['comfy-dev', 'comfy-schnell', 'comfy-kontext']
const defaultSide = 1024

/** Throws AppError. */
export function comfyuiParams(core: Core, holder: KeyHolder, body: GenerateBody, images: number): ModelRequest {
  const name = body.model ?? defaultModel(core, holder, { images, words: Boolean(body.prompt) })
  const resolved = resolveModel(core, holder, { ...body, model: name }, images)
  return {
    chosen: resolved,
    params: {
      ...resolved.params,
      aspect: aspectIn(resolved, undefined, sizeOf(body)),
      count: body.num_images ?? body.n,
      steps: body.steps,
      guidance: body.guidance_scale,
      strength: body.strength ?? body.denoise,
    },
  }
}

/** The first ComfyUI model that can serve the request, or else the default model of the service. */
export function defaultModel(core: Core, holder: KeyHolder, needs: Needs = { images: 0, words: true }): string {
  const id = comfyuiModels.find((each) => allows(holder, each) && isServed(core, each, needs))
  return id ?? defaultModelOf(core, holder.models, needs)
}

export const allows = ({ models }: KeyHolder, id: string) => models === null || models.includes(id)

function isServed(core: Core, id: string, needs: Needs = { images: 0, words: true }): boolean {
  const model = core.models.all().find((each) => each.id === id)
  return model !== undefined && canServe(core, model, needs)
}

/** A missing side gets the default. */
function sizeOf({ width, height }: GenerateBody): string | undefined {
  return width === undefined && height === undefined ? undefined : `${width ?? defaultSide}x${height ?? defaultSide}`
}
