/** Which model serves a request, and what that model takes. Decided once for each request, on every surface alike. */
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Model, NumberParam, Range, RequestParams, Takes } from '../ports/models.ts'
import { type ChosenModel, isSetUp } from './check.ts'

/** What decides which route of a model serves a request: its input pictures, and what is done with them. */
export interface Inputs {
  /** How many there are, without the mask. */
  images: number
  mask?: boolean
  /** Whether the picture grows. */
  expand?: boolean
  /** Whether it is drawn with LoRAs. */
  loras?: boolean
}

/** What the request needs of its model. */
export interface Needs extends Inputs {
  /** Whether the request has a prompt. */
  words: boolean
  /** Throws AppError when the model does not take the request for another reason: its ratio, its parameters. */
  check?: (chosen: ChosenModel) => unknown
  /** Ids of models that are tried before the default model. Absent: none. */
  prefer?: readonly string[]
}

export interface ModelChoice extends Needs {
  /** Id or alias. Absent: the default model, or the first that can serve the request. */
  name?: string
  /** Ids, in order of preference. null or absent: all. */
  allowed?: readonly string[] | null
}

type Available = Pick<Core, 'models' | 'providers'>

/** `images`: number of input pictures. */
export const inputsOf = (
  { mask, expand, loras }: Pick<RequestParams, 'mask' | 'expand' | 'loras'>,
  images: number,
): Inputs => ({
  images,
  mask: mask === true,
  expand: expand !== undefined,
  loras: loras !== undefined,
})

/** The least that a model needs with so many pictures: some draw only where a mask says, or beyond the sides of a picture. */
export function inputsNeeded({ routes }: Model, images: number): Inputs {
  const taking = routes.filter(({ takes }) => images >= takes.images.min && images <= takes.images.max)
  const [first] = taking
  if (!first || taking.some(({ takes }) => fits(takes, { images }))) return { images }
  const { mask, expand } = first.takes
  return { images, mask: mask?.required === true, expand: expand?.required === true }
}

/** It takes nearly everything, and is no substitute for other models. */
const lastResort = 'sketch'

/** Throws AppError unknown_model, model_off, model_not_allowed, and as `takenWith`. */
export function chooseModel(core: Available, { name, allowed = null, ...needs }: ModelChoice): ChosenModel {
  const model =
    name === undefined
      ? findModel(core.models.all(), defaultModel(core, allowed, needs))
      : findAllowedModel(core, name, allowed)
  return { model, takes: takenWith(core, model, { ...needs, allowed }) }
}

/** Throws AppError unknown_model, model_off, model_not_allowed. */
export function findAllowedModel(core: Available, name: string, allowed: readonly string[] | null): Model {
  const model = findModel(core.models.all(), name)
  if (allowed === null || allowed.includes(model.id)) return model
  throw new AppError('model_not_allowed', { model: model.id, available: allowed })
}

/** Throws AppError unknown_model, model_off. */
export function findModel(models: readonly Model[], name: string): Model {
  const model = namedModel(models, name)
  if (model.off) throw new AppError('model_off', { model: model.id, available: drawing(models).map(({ id }) => id) })
  return model
}

/** Also one that is off. Throws AppError unknown_model. */
export function namedModel(models: readonly Model[], name: string): Model {
  const wanted = name.toLowerCase()
  const model = models.find((each) => each.id === wanted || each.aliases.includes(wanted))
  if (!model) throw new AppError('unknown_model', { name, available: listed(models).map((each) => each.id) })
  return model
}

/** Models that lists show. */
export function listed(models: readonly Model[]): Model[] {
  return models.filter(({ hidden, off }) => !hidden && !off)
}

/** Listed models that draw, for people and programs to choose from. */
export function drawing(models: readonly Model[]): Model[] {
  return listed(models).filter(({ tool }) => !tool)
}

/** Whether words are enough for it. */
export const drawsFromWords = ({ routes }: Model) =>
  routes.some(({ takes }) => takes.images.min === 0 && takes.prompt !== 'none')

/** Every ratio that one of the models offers, each once, in the order of the models. */
export function offeredAspects(models: readonly Model[]): string[] {
  const all = models.flatMap((model) => model.routes.flatMap(({ takes }) => Object.keys(takes.aspects)))
  return [...new Set(all)].filter((aspect) => aspect !== 'auto')
}

/** From the least to the greatest value of a parameter that any of the models takes. undefined: none takes it. */
export function offeredRange(models: readonly Model[], name: NumberParam): Range | undefined {
  const ranges = models.flatMap((model) => model.routes.flatMap(({ takes }) => takes.params[name] ?? []))
  if (ranges.length === 0) return undefined
  return { min: Math.min(...ranges.map(({ min }) => min)), max: Math.max(...ranges.map(({ max }) => max)) }
}

/** The greatest count that any of the models takes. */
export function offeredCount(models: readonly Model[]): number {
  return Math.max(1, ...models.flatMap((model) => model.routes.map(({ takes }) => takes.count)))
}

/**
 * Id of the default model (`prefer`, then the service's) if it can serve the request, otherwise of the first model that can. If
 * none can, the model whose refusal says most: one that takes as many pictures, or else the one that takes the most.
 */
export function defaultModel(core: Available, allowed: readonly string[] | null, needs: Needs): string {
  const models = core.models.all()
  const preferred = core.models.preferred()
  const byId = (id: string) => models.filter((model) => model.id === id && !model.off)
  const earlier = (needs.prefer ?? []).flatMap(byId).filter((model) => isServed(core, model))
  const usual = earlier.length > 0 && preferred === lastResort ? [] : byId(preferred)
  const first = [...earlier, ...usual].filter(({ id }) => allowed === null || allowed.includes(id))
  const others =
    allowed === null
      ? drawing(models).filter(({ id }) => id !== lastResort)
      : allowed.flatMap(byId).filter(({ tool }) => !tool)
  const candidates = [...first, ...others]
  const { check: _, ...inputs } = needs
  const chosen =
    candidates.find((model) => canServe(core, model, needs)) ??
    candidates.find((model) => canServe(core, model, inputs)) ??
    withMostImages(core, candidates, needs)
  return chosen?.id ?? allowed?.[0] ?? preferred
}

export function canServe(core: Pick<Core, 'providers'>, model: Model, { words, check, ...inputs }: Needs): boolean {
  const route = model.routes.find(({ provider, takes }) => isSetUp(core, provider) && fits(takes, inputs))
  if (model.off || !route || (words && route.takes.prompt === 'none')) return false
  try {
    check?.({ model, takes: route.takes })
    return true
  } catch (error) {
    if (error instanceof AppError) return false
    throw error
  }
}

const isServed = (core: Pick<Core, 'providers'>, { routes }: Model) =>
  routes.some(({ provider }) => isSetUp(core, provider))

/** The first candidate, or where all take fewer pictures the one that takes the most. */
function withMostImages(core: Pick<Core, 'providers'>, candidates: readonly Model[], { images }: Needs) {
  const most = ({ routes }: Model) =>
    Math.max(0, ...routes.filter(({ provider }) => isSetUp(core, provider)).map(({ takes }) => takes.images.max))
  const [first, ...others] = candidates
  if (!first || candidates.some((model) => most(model) >= images)) return first
  return others.reduce((best, model) => (most(model) > most(best) ? model : best), first)
}

interface Given extends Inputs {
  /** Models that a refusal may name. null or absent: all. */
  allowed?: readonly string[] | null
}

/** What the model takes with these inputs. Throws AppError not_taken, image_needed, too_many_images, area_not_taken, area_needed. */
export function takenWith(core: Available, model: Model, given: Given): Takes {
  const fitting = model.routes.filter(({ takes }) => fits(takes, given))
  const route = fitting.find(({ provider }) => isSetUp(core, provider)) ?? fitting[0]
  if (route) return route.takes
  throw refusalOf(core, model, given)
}

function refusalOf(core: Available, { id: model, routes }: Model, given: Given): AppError {
  const { images, mask = false, expand = false } = given
  if (given.loras && routes.some(({ takes }) => fits(takes, { ...given, loras: false }))) {
    return new AppError('not_taken', { name: 'loras', model, available: namesOfAble(core, given) })
  }
  const fewest = Math.max(mask || expand ? 1 : 0, Math.min(...routes.map(({ takes }) => takes.images.min)))
  if (images < fewest) return new AppError('image_needed', { model, count: fewest })
  const masking = routes.filter(({ takes }) => takes.mask)
  const growing = routes.filter(({ takes }) => takes.expand)
  const able = routes.filter(({ takes }) => (!mask || takes.mask) && (!expand || takes.expand))
  const most = Math.max(...(able.length > 0 ? able : routes).map(({ takes }) => takes.images.max))
  if (images > most) return new AppError('too_many_images', { model, limit: most })
  const available = namesOfAble(core, given)
  if (mask && masking.length === 0) return new AppError('area_not_taken', { name: 'mask', model, available })
  if (expand && growing.length === 0) return new AppError('area_not_taken', { name: 'expand', model, available })
  if (able.length === 0) return new AppError('area_not_taken', { name: 'expand', together: 'mask', model, available })
  // the routes for so few or so many pictures need a mask, or sides that grow
  const needed = growing.length > 0 ? 'expand' : 'mask'
  return new AppError('area_needed', { name: needed, grows: growing.length > 0, masks: masking.length > 0, model })
}

/** Ids of listed models that take such inputs. */
function namesOfAble(core: Available, { allowed = null, ...inputs }: Given): string[] {
  return drawing(core.models.all())
    .filter(
      (model) => (allowed === null || allowed.includes(model.id)) && canServe(core, model, { ...inputs, words: false }),
    )
    .map(({ id }) => id)
}

const fits = (
  { images: taken, mask: masks, expand: growth, loras: weights, continues }: Takes,
  { images, mask = false, expand = false, loras = false }: Inputs,
) =>
  continues === undefined &&
  (!loras || weights !== undefined) &&
  images >= taken.min &&
  images <= taken.max &&
  (images > 0 || (!mask && !expand)) &&
  (mask ? masks !== undefined : !masks?.required || (expand && growth?.byMask === true)) &&
  (expand ? growth !== undefined : !growth?.required)
