/** Requests that start from an earlier one: the same again, a variation, the same with another model, a larger picture, a wider view. */

import type { Json } from '../../db/json.ts'
import { type Composed, quote, type Size } from '../billing/quote.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Act, Margins, Model, PictureRequest, RequestParams } from '../ports/models.ts'
import type { ChosenModel } from '../request/check.ts'
import { canServe, defaultModel, drawing, inputsOf, takenWith } from '../request/choose-model.ts'
import { fitParams } from '../request/fit.ts'
import { scaledSides, withoutSides } from '../request/grow.ts'
import { lorasRefused } from '../request/loras.ts'

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
  /** The provider that drew it, and its last ticket there. Absent: its work is not continued. */
  provider?: string
  ticket?: Json | null
  /** Its input pictures, where they are known. */
  inputs?: readonly Size[]
  /** Its result. */
  pictures: readonly Size[]
  /** Ids of the models that may draw where it is pressed. Absent: all. */
  allowed?: readonly string[]
}

/** Strength of a variation, for models that take one: the scene stays, the details change. */
const variationStrength = 0.7

/**
 * What the provider that drew a result does further with it, or with one picture of it. It starts from the provider's own work, so it
 * needs no pictures. undefined: the provider does not offer it.
 */
export function continuationOf(core: Available, drawn: Drawn, act: Act, picture?: number): Again | undefined {
  const { model: id, provider = '', ticket = null, request, allowed } = drawn
  const model = core.models.all().find((each) => each.id === id)
  const route = model?.routes.find((each) => each.provider === provider && each.takes.continues?.includes(act))
  if (!model || model.off || !route || ticket === null || allowed?.includes(id) === false) return undefined
  const offered = core.providers.get(provider)?.provider.continuations?.(ticket) ?? []
  const continues = offered.find((each) => each.act === act && each.picture === picture)
  if (!continues) return undefined
  const { prompt, aspect } = request
  const chosen = { model, takes: route.takes }
  return unlessRefused(() =>
    proposed(core, { chosen, params: { prompt, aspect, enhance: false, continues }, images: 0 }),
  )
}

/** The same request with another seed. undefined: its model no longer takes it, or would make the same picture again. */
export function rerollOf(core: Available, drawn: Drawn): Again | undefined {
  const { model: id, request, inputs } = drawn
  const model = core.models.all().find((each) => each.id === id)
  if (!model || model.tool) return undefined
  const continued = continuationOf(core, drawn, 'reroll')
  // what has only continued other work has no request to repeat
  if (continued || request.continues) return continued
  const from = fromInputs({ request, inputs })
  return serving(core, model, from, ({ picturesEach = 1 }) => ({
    ...paramsOf(request, picturesEach),
    expand: from.expand,
  }))
}

/** Why `rerollOf` has nothing: often a LoRA that its model has lost. */
export function rerollRefused(core: Available, { model: id, request }: Drawn): AppError {
  const missing = new AppError('provider_missing', { model: id })
  const model = core.models.all().find((each) => each.id === id)
  const inputs = inputsOf(request, request.images)
  if (!model || !canServe(core, model, { ...inputs, words: false })) return missing
  return lorasRefused({ model: id, takes: takenWith(core, model, inputs) }, request.loras) ?? missing
}

/** One more picture like one of the result: by the model that drew it if it can start from a picture, else by the default. */
export function variationOf(core: Available, drawn: Drawn, number = 1): Again | undefined {
  const continued = continuationOf(core, drawn, 'vary', number)
  if (continued) return continued
  const { model, request, pictures, allowed } = drawn
  // the mask of a picture that has grown does not fit the result
  const mask = request.expand ? undefined : request.mask
  const from = { images: 1, mask, input: pictures[0] }
  const { loras } = request
  const fallback = defaultModel(core, allowed ?? null, { images: 1, mask: mask === true, words: request.prompt !== '' })
  const ids = [model, fallback].filter((id) => allowed === undefined || allowed.includes(id))
  const candidates = ids.flatMap((id) => core.models.all().find((each) => each.id === id) ?? [])
  for (const candidate of candidates.filter(({ tool }) => !tool)) {
    const varied = (takes: ChosenModel['takes']) => {
      // without a ratio, the picture keeps its shape
      const { aspect: _, ...params } = paramsOf(request, 1)
      return fitted(takes, { ...params, mask, count: 1, strength: variationStrength })
    }
    // what the LoRAs did is in the picture already, for models that do not take them
    const variation =
      (loras && serving(core, candidate, { ...from, loras }, varied)) ??
      serving(core, candidate, from, (takes) => ({ ...varied(takes), loras: undefined }))
    if (variation) return variation
  }
  return undefined
}

/** The listed models, besides its own, that draw the same words, ratio and input pictures. */
export const remixesOf = (core: Available, drawn: Drawn): Again[] =>
  others(core, drawn).flatMap((model) => remixWith(core, model, drawn) ?? [])

export const hasRemix = (core: Available, drawn: Drawn): boolean =>
  others(core, drawn).some((model) => remixWith(core, model, drawn) !== undefined)

const others = (core: Available, drawn: Drawn) => drawing(core.models.all()).filter(({ id }) => id !== drawn.model)

/** A picture of the result, larger. undefined: no model enlarges it, or it would exceed the limits. */
export function enlargementOf(core: Available, drawn: Drawn, number = 1): Again | undefined {
  const continued = continuationOf(core, drawn, 'upscale', number)
  if (continued) return continued
  const model = core.models.all().find(({ id }) => id === 'upscale')
  if (!model) return undefined
  return serving(core, model, { images: 1, input: drawn.pictures[0] }, () => ({ prompt: '' }))
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
  loras?: PictureRequest['loras']
}

/** Where its input pictures are not known, the first one counts as large as the request has it. */
function fromInputs({ request, inputs }: Pick<Drawn, 'request' | 'inputs'>): From {
  const { images, mask, expand, loras } = request
  const placed = withoutSides(request)
  const input = inputs?.[0] ?? (placed.width > 0 ? placed : undefined)
  // the sides are those of the picture as it was drawn, which may have been shrunk
  const sides = expand && input && scaledSides(expand, input.width / placed.width)
  return { images, mask, expand: sides, loras, input }
}

/** undefined: the model does not take these parameters, or no provider of it is set up. */
function serving(
  core: Available,
  model: Model,
  { input, ...from }: From,
  paramsFor: (takes: ChosenModel['takes']) => RequestParams,
): Again | undefined {
  const inputs = inputsOf(from, from.images)
  if (!canServe(core, model, { ...inputs, words: false })) return undefined
  return unlessRefused(() => {
    const chosen = { model, takes: takenWith(core, model, inputs) }
    return proposed(core, { chosen, params: paramsFor(chosen.takes), images: from.images, input })
  })
}

function proposed(core: Available, composed: Composed): Again {
  const { request, price } = quote(core, composed)
  const { chosen, params } = composed
  return { chosen, params, count: request.count, price }
}

function unlessRefused(propose: () => Again): Again | undefined {
  try {
    return propose()
  } catch (error) {
    if (error instanceof AppError) return undefined
    throw error
  }
}

function paramsOf(request: PictureRequest, picturesEach: number): RequestParams {
  const { prompt, aspect, steps, guidance, strength, safety, loras, negative, mask, enhance = false } = request
  const count = request.count / picturesEach
  return { prompt, aspect, count, steps, guidance, strength, safety, loras, negative, mask, enhance }
}

function fitted(takes: ChosenModel['takes'], params: RequestParams): RequestParams {
  const { fit: _, ...rest } = fitParams(takes, params)
  return rest
}
