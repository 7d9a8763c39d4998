/** Parameters → request: what the model agrees to, or a refusal that names what it does not take and what it does. */
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import {
  type Model,
  numberParams,
  type PictureRequest,
  type RequestParams,
  type Route,
  type Takes,
} from '../ports/models.ts'
import { lorasRefused } from './loras.ts'

/** The model of one request, with what it takes for that number of input pictures. */
export interface ChosenModel {
  model: Model
  takes: Takes
}

/** Characters shown of a text that is refused for its length. */
const shownCharacters = 40

/** `images`: number of input pictures. Throws AppError for everything the model does not take. */
export function checkParams(
  { model, takes }: ChosenModel,
  { model: _, expand, ...params }: RequestParams,
  images: number,
): PictureRequest {
  checkPrompt({ model, takes }, params.prompt, images)
  const { count = 1 } = params
  if (!Number.isInteger(count) || count < 1 || count > takes.count) {
    throw new AppError('bad_option', { name: 'count', value: count, expected: upTo(takes.count) })
  }
  checkNegative({ model, takes }, params.negative)
  checkNumbers(model, takes, params)
  checkArea(model, takes, { mask: params.mask, expand, images })
  const refused = lorasRefused({ model: model.id, takes }, params.loras)
  if (refused) throw refused
  const size = keepsSize(takes, { mask: params.mask, expand })
    ? keptSize(model, params.aspect)
    : sizeOf(model, takes, params.aspect)
  const scale = scaleOf(model, params.scale)
  return { ...params, ...size, scale, model: model.id, count: count * (takes.picturesEach ?? 1), images }
}

/** '1', or '1–4'. */
export const upTo = (most: number) => (most === 1 ? '1' : `1–${most}`)

/** Routes of providers that are set up and serve the very same request, in order of preference. */
export function routesFor(core: Pick<Core, 'providers'>, model: Model, request: PictureRequest): Route[] {
  return model.routes.filter(({ provider, takes }) => isSetUp(core, provider) && accepts(takes, request))
}

/** Throws AppError provider_missing. */
export function chooseRoute(core: Pick<Core, 'providers'>, model: Model, request: PictureRequest): Route {
  const [route] = routesFor(core, model, request)
  if (!route) throw new AppError('provider_missing', { model: model.title })
  return route
}

/** The ratio that comes closest to a picture's own. undefined: the model keeps the shape of the picture. */
export function nearestAspect({ aspects }: Takes, { width, height }: { width: number; height: number }) {
  if (aspects.auto) return undefined
  const distance = ([, [w, h]]: [string, readonly [number, number]]) => Math.abs(Math.log(((w / h) * height) / width))
  const [nearest] = Object.entries(aspects).sort((a, b) => distance(a) - distance(b))
  return nearest?.[0]
}

export const isSetUp = ({ providers }: Pick<Core, 'providers'>, provider: string) =>
  providers.get(provider) !== undefined

function accepts(takes: Takes, request: PictureRequest): boolean {
  const { images, count, prompt, aspect, width, height, negative, mask, expand, continues } = request
  const { picturesEach = 1 } = takes
  const preset = takes.aspects[aspect]
  const exact = takes.sizes && Math.min(width, height) >= takes.sizes.min && Math.max(width, height) <= takes.sizes.max
  return (
    images >= takes.images.min &&
    images <= takes.images.max &&
    count <= takes.count * picturesEach &&
    count % picturesEach === 0 &&
    (continues ? takes.continues?.includes(continues.act) === true : takes.continues === undefined) &&
    (takes.prompt === 'none') === (prompt === '' && takes.prompt !== 'optional') &&
    prompt.length <= (takes.promptLimit ?? Number.POSITIVE_INFINITY) &&
    (takes.scales ? takes.scales.some((scale) => scale === request.scale) : request.scale === undefined) &&
    (mask
      ? takes.mask !== undefined
      : !takes.mask?.required || (expand !== undefined && takes.expand?.byMask === true)) &&
    (expand
      ? Math.max(...Object.values(expand)) <= (takes.expand?.max ?? Number.NEGATIVE_INFINITY)
      : !takes.expand?.required) &&
    (takes.scales !== undefined ||
      keepsSize(takes, request) ||
      (preset ? preset[0] === width && preset[1] === height : exact === true)) &&
    lorasRefused({ model: request.model, takes }, request.loras) === undefined &&
    (negative === undefined || takes.negative === true) &&
    (negative?.length ?? 0) <= (takes.negativeLimit ?? Number.POSITIVE_INFINITY) &&
    numberParams.every((name) => {
      const range = takes.params[name]
      const value = request[name]
      return value === undefined || (range !== undefined && Number(value) >= range.min && Number(value) <= range.max)
    })
  )
}

function checkPrompt({ model, takes }: ChosenModel, prompt: string, images: number): void {
  if (takes.prompt === 'none' && prompt !== '') throw new AppError('words_not_taken', { model: model.id })
  if (takes.prompt === undefined && prompt === '') throw new AppError('empty_prompt', { images })
  const { promptLimit } = takes
  if (promptLimit !== undefined && prompt.length > promptLimit) {
    throw new AppError('prompt_too_long', { limit: promptLimit })
  }
  checkFlags({ model, takes }, prompt)
}

interface Area extends Pick<RequestParams, 'mask' | 'expand'> {
  images: number
}

/** `chooseModel` refuses the same, and names the models that can. */
function checkArea(model: Model, takes: Takes, { mask, expand, images }: Area): void {
  if ((mask || expand) && images === 0) throw new AppError('image_needed', { model: model.id, count: 1 })
  if (mask && !takes.mask) throw new AppError('area_not_taken', { name: 'mask', model: model.id })
  if (expand && !takes.expand) throw new AppError('area_not_taken', { name: 'expand', model: model.id })
}

/** Whether the result has the size of the input picture, and of what it grows by. */
export function keepsSize({ kept }: Takes, { mask, expand }: { mask?: true; expand?: unknown }): boolean {
  return kept !== undefined && (expand !== undefined || mask === true)
}

/** The pixels are known once the picture was read (grow.ts). */
function keptSize(model: Model, aspect: string | undefined) {
  if (aspect !== undefined && aspect !== 'auto') throw new AppError('shape_kept', { name: 'aspect', model: model.id })
  return { aspect: 'auto', width: 0, height: 0 }
}

/** Throws AppError provider_flag. Flags of ours were taken out before. */
function checkFlags({ model, takes: { ownFlags } }: ChosenModel, text: string): void {
  if (!ownFlags) return
  const name = flagIn(text) ?? ownFlags.find((each) => mayBeFlag(each).test(text))
  if (name !== undefined) throw new AppError('provider_flag', { name: `--${name.toLowerCase()}`, model: model.title })
}

const flagIn = (text: string) => /(?<!\S)-{2,}(\p{sc=Latin}[\p{sc=Latin}\d-]*)/u.exec(text)?.[1]
/** Also glued to the word before, or after a dash that a keyboard made of two. */
const mayBeFlag = (name: string) => new RegExp(`(?:-{2,}|(?<!\\S)[—–]+)${name}(?![\\p{L}-])`, 'iu')

function checkNegative({ model, takes }: ChosenModel, negative: string | undefined): void {
  const { negative: taken, negativeLimit } = takes
  if (negative === undefined) return
  if (!taken) throw new AppError('not_taken', { name: 'negative', model: model.id })
  checkFlags({ model, takes }, negative)
  if (negativeLimit === undefined || negative.length <= negativeLimit) return
  const value = `${negative.slice(0, shownCharacters)}…`
  throw new AppError('bad_option', { name: 'negative', value, limit: negativeLimit, expected: `≤ ${negativeLimit}` })
}

function checkNumbers(model: Model, takes: Takes, params: RequestParams): void {
  for (const name of numberParams) {
    const value = params[name]
    if (value === undefined) continue
    const range = takes.params[name]
    if (!range) throw new AppError('not_taken', { name, model: model.id })
    const number = Number(value)
    if (!(number >= range.min && number <= range.max) || (range.integer && !Number.isInteger(number))) {
      throw new AppError('bad_option', { name, value, expected: `${range.min}–${range.max}` })
    }
  }
}

/** A route is chosen by the scale, so that any route of the model may take it. */
function scaleOf({ id, routes }: Model, scale: number | undefined): number | undefined {
  const scales = [...new Set(routes.flatMap(({ takes }) => takes.scales ?? []))].sort((a, b) => a - b)
  if (scales.length === 0) {
    if (scale !== undefined) throw new AppError('not_taken', { name: 'scale', model: id })
    return undefined
  }
  const wanted = scale ?? scales[0]
  if (wanted !== undefined && scales.includes(wanted)) return wanted
  throw new AppError('bad_option', { name: 'scale', value: scale, expected: scales.join(', ') })
}

function sizeOf(model: Model, { aspects, sizes }: Takes, aspect: string | undefined) {
  const available = Object.keys(aspects)
  const wanted = aspect ?? available[0] ?? '1:1'
  const ofSameSize = Object.entries(aspects).find(([, [width, height]]) => wanted === `${width}x${height}`)
  const name = ofSameSize?.[0] ?? wanted
  const preset = aspects[name]
  if (preset) return { aspect: name, width: preset[0], height: preset[1] }
  if (available.join() === 'auto') throw new AppError('not_taken', { name: 'aspect', model: model.id })
  const exact = /^(\d+)x(\d+)$/.exec(name)
  if (!exact || !sizes) throw new AppError('unknown_ratio', { ratio: name, model: model.id, available })
  const [width, height] = [Number(exact[1]), Number(exact[2])]
  if (Math.min(width, height) < sizes.min || Math.max(width, height) > sizes.max) {
    throw new AppError('bad_option', { name: 'size', value: name, expected: `${sizes.min}–${sizes.max}` })
  }
  return { aspect: name, width, height }
}
