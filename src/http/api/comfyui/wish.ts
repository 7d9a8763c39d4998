/** What was sent → a wish, in the words of the model that it names. */
import type { Holder } from '../../../core/api-keys.ts'
import { modelFor } from '../../../core/asked.ts'
import type { Core } from '../../../core/core.ts'
import type { Model, Takes, Wish } from '../../../core/ports.ts'
import { readWish } from '../wish.ts'
import { invalidParameters } from './errors.ts'
import type { GenerateBody } from './schemas.ts'

/** In the order of preference. */
const ownModels = ['comfy-dev', 'comfy-schnell', 'comfy-kontext']
const usualSide = 1024

/** Throws AppError and ComfyError. */
export function wishOf(core: Core, holder: Holder, body: GenerateBody, images: number): Wish {
  const named = body.model ?? defaultModel(core, holder, images)
  const { wish, model, takes } = readWish(core, holder, { ...body, model: named }, images)
  return {
    ...wish,
    aspect: aspectOf(model, takes, body),
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

/** undefined: the model's own choice. Throws ComfyError with the sizes that the model knows. */
function aspectOf({ id }: Model, { aspects, sizes }: Takes, body: GenerateBody): string | undefined {
  if (body.width === undefined && body.height === undefined) return undefined
  const { width = usualSide, height = usualSide } = body
  const presets = Object.entries(aspects).filter(([name]) => name !== 'auto')
  const preset = presets.find(([, [w, h]]) => w === width && h === height)
  if (preset) return preset[0]
  // without any size of its own it refuses both by name
  const exact = sizes && Math.min(width, height) >= sizes.min && Math.max(width, height) <= sizes.max
  if (exact || presets.length === 0) return `${width}x${height}`
  const known = presets.map(([, [w, h]]) => `${w}x${h}`)
  const any = sizes ? [`any size of ${sizes.min} to ${sizes.max} pixels`] : []
  throw invalidParameters([
    `width and height: ${id} does not draw ${width}x${height}. It knows: ${[...known, ...any].join(', ')}`,
  ])
}
