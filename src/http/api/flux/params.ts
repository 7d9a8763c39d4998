/** Request bodies → `RequestParams`, with the size resolved for the requested model. */
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import { fitParams } from '../../../core/request/fit.ts'
import type { ExpandField } from '../areas.ts'
import { presetSizes } from '../fields.ts'
import { aspectIn, type ModelRequest, type ResolvedModel, resolveModel, sizeIn } from '../resolve-model.ts'
import type { ImagesBody, TextBody } from './schemas.ts'

/** Throws AppError and InvalidRequest. */
export function fluxParams(
  core: Core,
  holder: KeyHolder,
  body: (TextBody | ImagesBody) & { mask?: unknown; expand?: ExpandField },
  images: number,
): ModelRequest {
  const build = (resolved: ResolvedModel) =>
    fitParams(resolved.takes, {
      ...resolved.params,
      aspect: aspectIn(resolved, body.aspect_ratio, sizeOf(body)),
      count: body.num_images,
      steps: body.num_inference_steps,
      guidance: body.guidance_scale,
      strength: body.strength,
      safety: safetyOf(body),
      scale: body.scale,
      enhance: body.enhance,
    })
  return resolveModel(core, { holder, fields: body, images, build })
}

/** Clients send a number or a string. Other values have no effect. */
function safetyOf({ safety_tolerance: level }: TextBody | ImagesBody): number | undefined {
  const isText = typeof level === 'string' || typeof level === 'number'
  return isText && /^\d{1,3}$/.test(String(level)) ? Number(level) : undefined
}

function sizeOf({ image_size: size, ...body }: TextBody | ImagesBody): string | undefined {
  if (size === undefined) return sizeIn(body)
  return typeof size === 'string' ? presetSizes[size] : `${size.width}x${size.height}`
}
