/** What the FLUX models on fal have in common. */
import type { Cost, ImageRef, Model, PictureRequest, Range, Route, Takes } from '../../core/ports/models.ts'
import type { Json } from '../../db/json.ts'
import { defined, seedNumber } from './input.ts'

/** fal returns seeds of up to 64 bits and accepts them again. */
export const seed: Range = { min: 0, max: 2 ** 64, integer: true }
export const guidance: Range = { min: 1, max: 20 }

/** Always JPEG: a tenth of the size of PNG, without a visible difference. */
const jpeg = { output_format: 'jpeg' }
/** It blacks out what it flags, so it is off where flagged pictures may be shown. */
export const safetyChecker = ({ adult }: PictureRequest) => ({ ...jpeg, enable_safety_checker: adult !== true })
/** For endpoints that do not say what they flag. */
export const alwaysChecked = { ...jpeg, enable_safety_checker: true }
/** fal takes the level as a string. */
export const safetyTolerance = ({ safety = 2 }: PictureRequest) => ({ ...jpeg, safety_tolerance: String(safety) })

export const safetyUpTo = (max: number): Range => ({ min: 1, max, integer: true })

export const seedOf = ({ seed }: PictureRequest) => ({ seed: seedNumber(seed) })

/** Empty where the result has the shape of the input picture. */
export function imageSize({ aspect, width, height }: PictureRequest): { image_size?: Json } {
  return aspect === 'auto' ? {} : { image_size: { width, height } }
}

export const stepsAndGuidance = ({ steps, guidance }: PictureRequest) => ({
  num_inference_steps: steps,
  guidance_scale: guidance,
})

type Input = (request: PictureRequest, images: readonly ImageRef[]) => Readonly<Record<string, Json | undefined>>

export function falRoute(endpoint: string, takes: Takes, input: Input, cost?: Cost): Route {
  return { provider: 'fal', endpoint, takes, input: (request, images) => defined(input(request, images)), cost }
}

/** One hidden model per endpoint, named after it and with this route only, so that no other endpoint serves it. */
export function endpointModels(model: Model, routes: readonly Route[]): Model[] {
  return routes.map((route) => endpointModel(model, route.endpoint, [route]))
}

/** A hidden model named after an endpoint. `routes`: those that the name stands for. */
export function endpointModel(model: Model, endpoint: string, routes: readonly Route[]): Model {
  const title = `${model.title} (${endpoint})`
  return { ...model, id: endpoint, base: model.id, aliases: [], title, hidden: true, routes }
}
