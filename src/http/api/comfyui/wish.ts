/** What was sent → a wish, in the words of the model that it names. */
import type { Holder } from '../../../core/api-keys.ts'
import { modelFor } from '../../../core/asked.ts'
import type { Core } from '../../../core/core.ts'
import type { Wish } from '../../../core/ports.ts'
import { aspectIn, readWish } from '../wish.ts'
import type { GenerateBody } from './schemas.ts'

/** In the order of preference. */
const ownModels = ['comfy-dev', 'comfy-schnell', 'comfy-kontext']
const usualSide = 1024

/** Throws AppError. */
export function wishOf(core: Core, holder: Holder, body: GenerateBody, images: number): Wish {
  const named = body.model ?? defaultModel(core, holder, images)
  const read = readWish(core, holder, { ...body, model: named }, images)
  return {
    ...read.wish,
    aspect: aspectIn(read, undefined, sizeOf(body)),
    count: body.num_images ?? body.n,
    steps: body.steps,
    guidance: body.guidance_scale,
    strength: body.strength ?? body.denoise,
  }
}

/** ComfyUI's first that takes so many pictures, else the one that everybody's requests go to. */
export function defaultModel(core: Core, holder: Holder, images: number): string {
  const own = ownModels.find((id) => allows(holder, id) && isServed(core, id, images))
  return own ?? modelFor(core, holder, undefined)
}

export const allows = ({ models }: Holder, id: string) => models === null || models.includes(id)

function isServed({ models, providers }: Core, id: string, images: number): boolean {
  const routes = models.all().find((model) => model.id === id)?.routes ?? []
  return routes.some(
    ({ provider, takes }) =>
      providers.get(provider) !== undefined && images >= takes.images.min && images <= takes.images.max,
  )
}

/** Half a size is filled up. */
function sizeOf({ width, height }: GenerateBody): string | undefined {
  return width === undefined && height === undefined ? undefined : `${width ?? usualSide}x${height ?? usualSide}`
}
