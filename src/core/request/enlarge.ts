/** The size of an enlarged picture, and its limits. */
import { AppError } from '../errors.ts'
import type { PictureRequest } from '../ports/models.ts'

/** The longest side that WebP can have; a result may also be a PNG or JPEG, which can have longer ones. */
const limitSide = 16_383
/** 8K (7,680 × 4,320) fits. As a PNG, more could exceed what a result may have (storage/images.ts). */
const limitMegapixels = 36
const megapixel = 1_000_000

/** What the checks of results accept (storage/images.ts). Services send enlarged pictures as PNG. */
export const enlargedBytes = 64 * 1024 * 1024

/** Adds the size of the result to the request. Throws AppError result_too_big. Requests without a scale stay as they are. */
export function enlarged(request: PictureRequest, input: { width: number; height: number } | undefined) {
  const { scale } = request
  if (scale === undefined || !input) return request
  const [width, height] = [input.width * scale, input.height * scale]
  const size = { width, height, scale }
  if (Math.max(width, height) > limitSide) throw new AppError('result_too_big', { ...size, limitSide })
  if (width * height > limitMegapixels * megapixel) throw new AppError('result_too_big', { ...size, limitMegapixels })
  return { ...request, width, height }
}
