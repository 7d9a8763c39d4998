/** The request that changes a result: other words, from its first picture where the model takes pictures. */
import { priceOf } from '../billing/price.ts'
import type { Core } from '../core.ts'
import type { Model } from '../ports/models.ts'
import { canServe, defaultModel, listed, takenWith } from '../request/choose-model.ts'

export interface EditingModel {
  model: Model
  /** Pictures of the result that it starts from: 0 where it draws from words only. */
  images: 0 | 1
  /** Credits for a request with a count of 1. */
  price: number
}

type Available = Pick<Core, 'models' | 'providers'>

/** Absent: its provider is not set up, or it takes no words. */
export function editingWith(core: Available, model: Model): EditingModel | undefined {
  const images = ([1, 0] as const).find((count) => canServe(core, model, { images: count, words: true }))
  if (images === undefined) return undefined
  const { picturesEach = 1 } = takenWith(core, model, images)
  return { model, images, price: priceOf(model, { count: picturesEach }) }
}

/** The listed models that can change a result, and the one that drew it. */
export function editingModels(core: Available, drawnWith: string): EditingModel[] {
  const all = core.models.all()
  const own = all.filter(({ id, hidden }) => id === drawnWith && hidden)
  return [...own, ...listed(all)].flatMap((model) => editingWith(core, model) ?? [])
}

/**
 * The model that drew the result if it can start from a picture, else the default for pictures. Where that takes none either,
 * the model that drew the result, else the default for words. undefined: none can be used.
 */
export function proposeEdit(core: Available, drawnWith: string): EditingModel | undefined {
  const models = editingModels(core, drawnWith)
  const find = (id: string) => models.find(({ model }) => model.id === id)
  const defaults = [1, 0].map((images) => defaultModel(core, null, { images, words: true }))
  const candidates = [drawnWith, ...defaults].flatMap((id) => find(id) ?? [])
  return candidates.find(({ images }) => images === 1) ?? candidates[0]
}
