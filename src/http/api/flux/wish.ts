/** What was sent → a wish, in the words of the model that it names. */
import type { Holder } from '../../../core/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import type { Wish } from '../../../core/ports.ts'
import { aspectIn, readWish, sizeIn } from '../wish.ts'
import { type ImagesBody, presetSizes, type TextBody } from './schemas.ts'

/** Throws AppError and InvalidRequest. */
export function wishOf(core: Core, holder: Holder, body: TextBody | ImagesBody, images: number): Wish {
  const read = readWish(core, holder, body, images)
  return {
    ...read.wish,
    aspect: aspectIn(read, body.aspect_ratio, sizeOf(body)),
    count: body.num_images,
    steps: body.num_inference_steps,
    guidance: body.guidance_scale,
    strength: body.strength,
    enhance: body.enhance,
  }
}

function sizeOf({ image_size: size, ...body }: TextBody | ImagesBody): string | undefined {
  if (size === undefined) return sizeIn(body)
  return typeof size === 'string' ? presetSizes[size] : `${size.width}x${size.height}`
}
