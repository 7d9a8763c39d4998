/** The request that changes a result: other words, from its first picture where the model takes pictures. */
import { quote, type Size } from '../billing/quote.ts'
import type { Core } from '../core.ts'
import type { Model, PictureRequest, Takes } from '../ports/models.ts'
import type { ChosenModel } from '../request/check.ts'
import { canServe, defaultModel, type Inputs, listed, takenWith } from '../request/choose-model.ts'
import { lorasRefused } from '../request/loras.ts'

export interface EditingModel {
  model: Model
  /** Pictures of the result that it starts from: 0 where it draws from words only. */
  images: 0 | 1
  /** Credits for a request with a count of 1. */
  price: number
}

type Available = Pick<Core, 'models' | 'providers' | 'enhancer' | 'enhanceByDefault'>

/** What is edited. */
interface Drawn {
  /** Id of the model that drew it. */
  model: string
  /** Its pictures. The first one is edited. */
  pictures: readonly Size[]
  request: Pick<PictureRequest, 'aspect'>
  /** Ids of the models that may change it. Absent: all. */
  allowed?: readonly string[]
}

/** Absent: its provider is not set up, or it takes no words. */
export function editingWith(core: Available, model: Model, drawn: Drawn): EditingModel | undefined {
  const images = ([1, 0] as const).find((count) => canServe(core, model, { images: count, words: true }))
  if (images === undefined) return undefined
  const takes = takenWith(core, model, { images })
  const [input] = images === 1 ? drawn.pictures : []
  const params = { prompt: anyWords, aspect: images === 0 ? sameShape(takes, drawn) : undefined }
  const { price } = quote(core, { chosen: { model, takes }, params, images, input })
  return { model, images, price }
}

/** The price does not depend on what they say. */
const anyWords = 'words'

/** The ratio of a request without a picture: otherwise the shape of the picture is kept (billing/quote.ts). */
export function sameShape({ aspects }: Takes, { request }: Pick<Drawn, 'request'>): string | undefined {
  return Object.hasOwn(aspects, request.aspect) ? request.aspect : undefined
}

interface Keeping {
  chosen: ChosenModel
  inputs: Inputs
  /** What is edited. */
  drawn: { model: string; request: Pick<PictureRequest, 'loras'> }
}

/**
 * The LoRAs of a result, where the same model changes it and takes them with a picture: they are made for one model. Its route for
 * LoRAs may be another one.
 */
export function keepLoras(
  core: Available,
  { chosen, inputs, drawn }: Keeping,
): { chosen: ChosenModel; loras?: PictureRequest['loras'] } {
  const { model } = chosen
  const { loras } = drawn.request
  const needs = { ...inputs, loras: true }
  if (!loras || model.id !== drawn.model || !canServe(core, model, { ...needs, words: true })) return { chosen }
  const takes = takenWith(core, model, needs)
  return lorasRefused({ model: model.id, takes }, loras) ? { chosen } : { chosen: { model, takes }, loras }
}

/** The listed models that can change a result, and the one that drew it. */
export const editingModels = (core: Available, drawn: Drawn): EditingModel[] =>
  allowedModels(core, drawn).flatMap((model) => editingWith(core, model, drawn) ?? [])

function allowedModels(core: Available, { model, allowed }: Drawn): Model[] {
  const all = core.models.all()
  const own = all.filter(({ id, hidden }) => id === model && hidden)
  return [...own, ...listed(all)].filter(({ id }) => allowed === undefined || allowed.includes(id))
}

/**
 * The model that drew the result if it can start from a picture, else the default for pictures. Where that takes none either,
 * the model that drew the result, else the default for words. undefined: none can be used.
 */
export function proposeEdit(core: Available, drawn: Drawn): EditingModel | undefined {
  const models = allowedModels(core, drawn)
  const find = (id: string) => {
    const model = models.find((each) => each.id === id)
    return model && editingWith(core, model, drawn)
  }
  const defaults = [1, 0].map((images) => defaultModel(core, drawn.allowed ?? null, { images, words: true }))
  const candidates = [drawn.model, ...defaults].flatMap((id) => find(id) ?? [])
  return candidates.find(({ images }) => images === 1) ?? candidates[0]
}
