/** What was sent → `RequestParams`, in the words of the model that it names. */
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import { fitParams } from '../../../core/request/fit.ts'
import { aspectIn, type ModelRequest, resolveModel, sizeIn } from '../resolve-model.ts'
import { type ImagesBody, presetSizes, type TextBody } from './schemas.ts'

/** Throws AppError and InvalidRequest. */
export function fluxParams(core: Core, holder: KeyHolder, body: TextBody | ImagesBody, images: number): ModelRequest {
  const resolved = resolveModel(core, holder, body, images)
  const params = {
    ...resolved.params,
    aspect: aspectIn(resolved, body.aspect_ratio, sizeOf(body)),
    count: body.num_images,
    steps: body.num_inference_steps,
    guidance: body.guidance_scale,
    strength: body.strength,
    safety: safetyOf(body),
    enhance: body.enhance,
  }
  return { chosen: resolved, params: fitParams(resolved.takes, params) }
}

/** Clients send it as a number or as text. Any other value has no effect. */
function safetyOf({ safety_tolerance: level }: TextBody | ImagesBody): number | undefined {
  return /^\d{1,3}$/.test(String(level)) ? Number(level) : undefined
}

function sizeOf({ image_size: size, ...body }: TextBody | ImagesBody): string | undefined {
  if (size === undefined) return sizeIn(body)
  return typeof size === 'string' ? presetSizes[size] : `${size.width}x${size.height}`
}
