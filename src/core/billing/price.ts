/** What a request costs. */
import type { Model, PictureRequest } from '../ports/models.ts'

/** Credits for the request when all its pictures arrive. */
export function priceOf(model: Model, { count }: Pick<PictureRequest, 'count'>): number {
  return model.price * count
}
