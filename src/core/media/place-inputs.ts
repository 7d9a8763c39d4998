/** Input pictures and their mask, in the sizes and the form that a route takes. */
import type { Area, ImageFile, ImageTools } from '../ports/images.ts'
import type { PictureRequest, Takes } from '../ports/models.ts'
import { keepsSize } from '../request/check.ts'
import { withoutSides } from '../request/grow.ts'

export interface PlacedInput {
  /** Absent: the picture was changed, and is not in the store. */
  key?: string
  file: ImageFile
}

export interface PlacedInputs {
  inputs: readonly PlacedInput[]
  mask?: ImageFile
}

/** The first picture as large as the request has it, and the mask as the route takes it. */
export async function placeInputs(
  tools: ImageTools,
  { request, takes }: { request: PictureRequest; takes: Takes },
  { inputs, mask }: PlacedInputs,
): Promise<PlacedInputs> {
  const [first, ...others] = inputs
  if (!first || !(request.mask || request.expand)) return { inputs }
  const { file } = first
  const kept: Area = keepsSize(takes, request) ? request : { width: file.width, height: file.height }
  const area = takes.expand?.byMask ? kept : withoutSides(kept)
  const isSame = area.width === file.width && area.height === file.height
  const placed = isSame ? first : { file: await tools.place(file, area) }
  const isMarked = takes.mask && (mask || takes.expand?.byMask)
  return {
    inputs: [placed, ...others],
    mask: isMarked && takes.mask ? await tools.markAs(mask, takes.mask.marks, area) : undefined,
  }
}
