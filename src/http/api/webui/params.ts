/** Request bodies → `RequestParams`, with the size resolved for the requested model. */
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import { aspectIn, type ModelRequest, type ResolvedModel, resolveModel, sizeIn } from '../resolve-model.ts'
import type { GenerateBody } from './schemas.ts'

/** Throws AppError and InvalidRequest. */
export function webuiParams(core: Core, holder: KeyHolder, body: GenerateBody, images: number): ModelRequest {
  const build = (resolved: ResolvedModel) => ({
    ...resolved.params,
    aspect: aspectIn(resolved, body.aspect_ratio ?? body.ratio ?? body.size, sizeIn(body)),
    count: body.n ?? body.count ?? body.num_images,
    steps: body.steps ?? body.num_inference_steps,
    guidance: body.guidance ?? body.guidance_scale,
    strength: body.strength,
    enhance: body.enhance,
  })
  return resolveModel(core, { holder, fields: body, images, build })
}

export function addressesIn({ image, image_url, images }: GenerateBody): string[] {
  return [image ?? [], image_url ?? [], images ?? []].flat()
}
