/** What a provider charges us for a result. */
import type { Core } from '../core.ts'
import type { PictureRequest } from '../ports/models.ts'
import type { Size } from './quote.ts'

interface Served {
  /** Id of the model. */
  model: string
  provider: string
  endpoint: string
  request: PictureRequest
}

/** In millionths of a US dollar. null: not known. */
export function costOf(core: Pick<Core, 'models'>, served: Served, pictures: readonly Size[]): number | null {
  const { model: id, provider, endpoint, request } = served
  const model = core.models.all().find((each) => each.id === id)
  const route = model?.routes.find((each) => each.provider === provider && each.endpoint === endpoint)
  const costs = pictures.map((picture) => route?.cost?.(picture, request))
  return costs.reduce<number | null>((sum, cost) => (sum === null || cost === undefined ? null : sum + cost), 0)
}
