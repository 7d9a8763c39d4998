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

const micros = 1_000_000

/** In millionths of a US dollar. null: not known. What the operator has set comes before the price list. */
export function costOf(
  core: Pick<Core, 'models' | 'modelCosts'>,
  served: Served,
  pictures: readonly Size[],
): number | null {
  const { model: id, provider, endpoint, request } = served
  const set = core.modelCosts?.get(`${id}@${provider}`) ?? core.modelCosts?.get(id)
  if (set !== undefined) return Math.round(set * micros) * pictures.length
  const model = core.models.all().find((each) => each.id === id)
  const route = model?.routes.find((each) => each.provider === provider && each.endpoint === endpoint)
  const costs = pictures.map((picture) => route?.cost?.(picture, request))
  return costs.reduce<number | null>((sum, cost) => (sum === null || cost === undefined ? null : sum + cost), 0)
}

/** Names in the setting for which there is no model now, or no such provider of it. */
export function uncountedCosts({ models }: Pick<Core, 'models'>, costs: Core['modelCosts'] = new Map()): string[] {
  const names = models.all().flatMap(({ id, routes }) => [id, ...routes.map(({ provider }) => `${id}@${provider}`)])
  return [...costs.keys()].filter((name) => !names.includes(name))
}
