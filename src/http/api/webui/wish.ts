/** What a page sent → a wish, in the words of the model that it names. */
import type { Holder } from '../../../core/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import type { Wish } from '../../../core/ports.ts'
import { aspectIn, readWish, sizeIn } from '../wish.ts'
import type { GenerateBody } from './schemas.ts'

/** Throws AppError and InvalidRequest. */
export function wishOf(core: Core, holder: Holder, body: GenerateBody, images: number): Wish {
  const read = readWish(core, holder, body, images)
  return {
    ...read.wish,
    aspect: aspectIn(read, body.aspect_ratio ?? body.ratio ?? body.size, sizeIn(body)),
    count: body.n ?? body.count ?? body.num_images,
    steps: body.steps ?? body.num_inference_steps,
    guidance: body.guidance ?? body.guidance_scale,
    strength: body.strength,
    enhance: body.enhance,
  }
}

export function addressesIn({ image, image_url, images }: GenerateBody): string[] {
  return [image ?? [], image_url ?? [], images ?? []].flat()
}
