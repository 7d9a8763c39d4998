import type { Model, PictureRequest } from '../../src/core/ports/models.ts'

/** A request of a model's first size, with a prompt. */
export function plainRequest(model: Model, params: Partial<PictureRequest> = {}): PictureRequest {
  const [aspect = '', [width, height] = [0, 0]] = Object.entries(model.routes[0]!.takes.aspects)[0] ?? []
  return { prompt: 'a cat', model: model.id, aspect, width, height, count: 1, images: 0, ...params }
}
