/** Requests that start from an earlier one: the same again, a variation of a picture, the same with another model, a larger picture. */
import { priceOf } from '../billing/price.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Model, PictureRequest, RequestParams } from '../ports/models.ts'
import { type ChosenModel, checkParams } from '../request/check.ts'
import { canServe, defaultModel, drawing, takenWith } from '../request/choose-model.ts'
import { enlarged } from '../request/enlarge.ts'
import { fitParams } from '../request/fit.ts'

export interface Again {
  chosen: ChosenModel
  params: RequestParams
  /** Pictures that it draws. */
  count: number
  /** Credits. */
  price: number
}

type Available = Pick<Core, 'models' | 'providers'>

interface Drawn {
  /** Id of the model that drew it. */
  model: string
  request: PictureRequest
}

/** Strength of a variation, for models that take one: the scene stays, the details change. */
const variationStrength = 0.7

/** The same request with another seed. undefined: its model no longer takes it, or would make the same picture again. */
export function rerollOf(core: Available, { model: id, request }: Drawn): Again | undefined {
  const model = core.models.all().find((each) => each.id === id)
  if (!model || model.tool) return undefined
  return serving(core, model, request.images, ({ picturesEach = 1 }) => paramsOf(request, picturesEach))
}

/** One more picture like one of the result: by the model that drew it if it can start from a picture, else by the default. */
export function variationOf(core: Available, { model, request }: Drawn): Again | undefined {
  const fallback = defaultModel(core, null, { images: 1, words: request.prompt !== '' })
  const candidates = [model, fallback].flatMap((id) => core.models.all().find((each) => each.id === id) ?? [])
  for (const candidate of candidates.filter(({ tool }) => !tool)) {
    const variation = serving(core, candidate, 1, (takes) => {
      // without a ratio, the picture keeps its shape
      const { aspect: _, ...params } = paramsOf(request, 1)
      return fitted(takes, { ...params, count: 1, strength: variationStrength })
    })
    if (variation) return variation
  }
  return undefined
}

/** The listed models, besides its own, that draw the same words, ratio and input pictures. */
export function remixesOf(core: Available, drawn: Drawn): Again[] {
  const others = drawing(core.models.all()).filter(({ id }) => id !== drawn.model)
  return others.flatMap((model) => remixWith(core, model, drawn.request) ?? [])
}

/** A picture of the result, larger. undefined: no model enlarges it, or it would exceed the limits. `scale` absent: the smallest. */
export function enlargementOf(core: Available, { request }: Drawn, scale?: number): Again | undefined {
  const model = core.models.all().find(({ id }) => id === 'upscale')
  if (!model) return undefined
  return serving(core, model, 1, (takes) => {
    const params = { prompt: '', scale }
    // a request whose result has the shape of its input does not know its size
    enlarged(checkParams({ model, takes }, params, 1), request)
    return params
  })
}

/** Its number of pictures is as near to that of the request as the model allows. */
function remixWith(core: Available, model: Model, request: PictureRequest): Again | undefined {
  return serving(core, model, request.images, (takes) => {
    const { aspect, ...params } = paramsOf(request, takes.picturesEach ?? 1)
    const count = Math.max(1, Math.floor(params.count ?? 1))
    const shape = aspect === 'auto' ? {} : { aspect }
    // the negative prompt is part of the words: a model that does not take it is not offered
    return { ...fitted(takes, { ...params, ...shape, count }), negative: request.negative, ...shape }
  })
}

/** undefined: the model does not take these parameters, or no provider of it is set up. */
function serving(
  core: Available,
  model: Model,
  images: number,
  paramsFor: (takes: ChosenModel['takes']) => RequestParams,
): Again | undefined {
  if (!canServe(core, model, { images, words: false })) return undefined
  try {
    const chosen = { model, takes: takenWith(core, model, images) }
    const params = paramsFor(chosen.takes)
    const request = checkParams(chosen, params, images)
    return { chosen, params, count: request.count, price: priceOf(model, request) }
  } catch (error) {
    if (error instanceof AppError) return undefined
    throw error
  }
}

function paramsOf(request: PictureRequest, picturesEach: number): RequestParams {
  const { prompt, aspect, count, steps, guidance, strength, safety, negative, enhance = false } = request
  return { prompt, aspect, count: count / picturesEach, steps, guidance, strength, safety, negative, enhance }
}

function fitted(takes: ChosenModel['takes'], params: RequestParams): RequestParams {
  const { fit: _, ...rest } = fitParams(takes, params)
  return rest
}
