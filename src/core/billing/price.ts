/** What a request costs. */
import type { Model, PictureRequest } from '../ports/models.ts'

/** The scale that `Model.price` is for. */
const pricedScale = 2

/** Credits for the request when all its pictures arrive. */
export function priceOf(model: Model, { count, scale = pricedScale }: Pick<PictureRequest, 'count' | 'scale'>): number {
  return Math.ceil((model.price * count * scale) / pricedScale)
}
