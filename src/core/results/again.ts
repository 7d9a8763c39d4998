/** Requests that start from an earlier one: the same again, a variation of a picture, the same with another model, a larger picture. */
import { quote, type Size } from '../billing/quote.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Margins, Model, PictureRequest, RequestParams } from '../ports/models.ts'
import type { ChosenModel } from '../request/check.ts'
import { canServe, defaultModel, drawing, inputsOf, takenWith } from '../request/choose-model.ts'
import { fitParams } from '../request/fit.ts'
import { scaledSides, withoutSides } from '../request/grow.ts'

export interface Again {
  chosen: ChosenModel
  params: RequestParams
  /** Pictures that it draws. */
  count: number
  /** Credits. */
  price: number
}

type Available = Pick<Core, 'models' | 'providers' | 'enhancer' | 'enhanceByDefault'>

interface Drawn {
  /** Id of the model that drew it. */
  model: string
  request: PictureRequest
  /** Its input pictures, where they are known. */
  inputs?: readonly Size[]
  /** Its result. */
  pictures: readonly Size[]
  /** Ids of the models that may draw where it is pressed. Absent: all. */
  allowed?: readonly string[]
}

/** Strength of a variation, for models that take one: the scene stays, the details change. */
const variationStrength = 0.7

/** The same request with another seed. undefined: its model no longer takes it, or would make the same picture again. */
export function rerollOf(core: Available, { model: id, request, inputs }: Drawn): Again | undefined {
  const model = core.models.all().find((each) => each.id === id)
  if (!model || model.tool) return undefined
  const from = fromInputs({ request, inputs })
  return serving(core, model, from, ({ picturesEach = 1 }) => ({
    ...paramsOf(request, picturesEach),
    expand: from.expand,
  }))
}

/** One more picture like one of the result: by the model that drew it if it can start from a picture, else by the default. */
export function variationOf(core: Available, { model, request, pictures, allowed }: Drawn): Again | undefined {
  // the mask of a picture that has grown does not fit the result
  const mask = request.expand ? undefined : request.mask
  const from = { images: 1, mask, input: pictures[0] }
  const fallback = defaultModel(core, allowed ?? null, { images: 1, mask: mask === true, words: request.prompt !== '' })
  const ids = [model, fallback].filter((id) => allowed === undefined || allowed.includes(id))
  const candidates = ids.flatMap((id) => core.models.all().find((each) => each.id === id) ?? [])
  for (const candidate of candidates.filter(({ tool }) => !tool)) {
    const variation = serving(core, candidate, from, (takes) => {
      // without a ratio, the picture keeps its shape
      const { aspect: _, ...params } = paramsOf(request, 1)
      return fitted(takes, { ...params, mask, count: 1, strength: variationStrength })
    })
    if (variation) return variation
  }
  return undefined
}

/** The listed models, besides its own, that draw the same words, ratio and input pictures. */
export function remixesOf(core: Available, drawn: Drawn): Again[] {
  const others = drawing(core.models.all()).filter(({ id }) => id !== drawn.model)
  return others.flatMap((model) => remixWith(core, model, drawn) ?? [])
}

/** A picture of the result, larger. undefined: no model enlarges it, or it would exceed the limits. `scale` absent: the smallest. */
export function enlargementOf(core: Available, { pictures }: Drawn, scale?: number): Again | undefined {
  const model = core.models.all().find(({ id }) => id === 'upscale')
  if (!model) return undefined
  return serving(core, model, { images: 1, input: pictures[0] }, () => ({ prompt: '', scale }))
}

/** Its number of pictures is as near to that of the request as the model allows. */
function remixWith(core: Available, model: Model, { request, inputs }: Drawn): Again | undefined {
  const from = fromInputs({ request, inputs })
  return serving(core, model, from, (takes) => {
    const { aspect, ...params } = { ...paramsOf(request, takes.picturesEach ?? 1), expand: from.expand }
    const count = Math.max(1, Math.floor(params.count ?? 1))
    const shape = aspect === 'auto' ? {} : { aspect }
    // the negative prompt is part of the words: a model that does not take it is not offered
    return { ...fitted(takes, { ...params, ...shape, count }), negative: request.negative, ...shape }
  })
}

interface From {
  /** Number of input pictures. */
  images: number
  /** Size of the first one. */
  input?: Size
  mask?: true
  expand?: Margins
}

/** Where its input pictures are not known, the first one counts as large as the request has it. */
function fromInputs({ request, inputs }: Pick<Drawn, 'request' | 'inputs'>): From {
  const { images, mask, expand } = request
  const placed = withoutSides(request)
  const input = inputs?.[0] ?? (placed.width > 0 ? placed : undefined)
  // the sides are those of the picture as it was drawn, which may have been shrunk
  const sides = expand && input && scaledSides(expand, input.width / placed.width)
  return { images, mask, expand: sides, input }
}

/** undefined: the model does not take these parameters, or no provider of it is set up. */
function serving(
  core: Available,
  model: Model,
  { input, ...from }: From,
  paramsFor: (takes: ChosenModel['takes']) => RequestParams,
): Again | undefined {
  const { images } = from
  const inputs = inputsOf(from, images)
  if (!canServe(core, model, { ...inputs, words: false })) return undefined
  try {
    const chosen = { model, takes: takenWith(core, model, inputs) }
    const params = paramsFor(chosen.takes)
    const { request, price } = quote(core, { chosen, params, images, input })
    return { chosen, params, count: request.count, price }
  } catch (error) {
    if (error instanceof AppError) return undefined
    throw error
  }
}

function paramsOf(request: PictureRequest, picturesEach: number): RequestParams {
  const { prompt, aspect, steps, guidance, strength, safety, negative, mask, enhance = false } = request
  const count = request.count / picturesEach
  return { prompt, aspect, count, steps, guidance, strength, safety, negative, mask, enhance }
}

function fitted(takes: ChosenModel['takes'], params: RequestParams): RequestParams {
  const { fit: _, ...rest } = fitParams(takes, params)
  return rest
}
