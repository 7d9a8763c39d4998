/** Parameters → request: what a model agrees to, or a refusal that names what it does not take and what it does. */
import { AppError } from '../errors.ts'
import {
  type Model,
  numberParams,
  type PictureRequest,
  type RequestParams,
  type Route,
  type Takes,
} from '../ports/models.ts'

type Has = (provider: string) => boolean

/** Of what is refused for its length. */
const shownCharacters = 40

/** Throws AppError unknown_model. */
export function findModel(models: readonly Model[], name: string): Model {
  const wanted = name.toLowerCase()
  const model = models.find((each) => each.id === wanted || each.aliases.includes(wanted))
  if (!model) throw new AppError('unknown_model', { name, available: offered(models).map((each) => each.id) })
  return model
}

/** Those that lists show. */
export function offered(models: readonly Model[]): Model[] {
  return models.filter((model) => !model.hidden)
}

/** What may be asked of the model with so many input pictures. Throws AppError image_needed, too_many_images. */
export function takenWith(model: Model, images: number, has: Has): Takes {
  const fitting = model.routes.filter(({ takes }) => images >= takes.images.min && images <= takes.images.max)
  const route = fitting.find((each) => has(each.provider)) ?? fitting[0]
  if (route) return route.takes
  const fewest = Math.min(...model.routes.map(({ takes }) => takes.images.min))
  if (images < fewest) throw new AppError('image_needed', { model: model.id, count: fewest })
  const most = Math.max(...model.routes.map(({ takes }) => takes.images.max))
  throw new AppError('too_many_images', { model: model.id, limit: most })
}

/** Throws AppError for everything the model does not take. */
export function makeRequest(model: Model, takes: Takes, params: RequestParams & { images: number }): PictureRequest {
  const { prompt, images, seed, steps, guidance, strength, negative, enhance } = params
  checkPrompt(model, takes, prompt)
  const count = params.count ?? 1
  if (!Number.isInteger(count) || count < 1 || count > takes.count) {
    throw new AppError('bad_option', { name: 'count', value: count, expected: `1–${takes.count}` })
  }
  checkNegative(model, takes, negative)
  checkParams(model, takes, params)
  const size = sizeOf(model, takes, params.aspect)
  return { prompt, model: model.id, ...size, count, images, seed, steps, guidance, strength, negative, enhance }
}

/** Routes that can serve the very same request and whose provider is there, the preferred one first. */
export function routesFor(model: Model, request: PictureRequest, has: Has): Route[] {
  return model.routes.filter((route) => has(route.provider) && accepts(route.takes, request))
}

/** Throws AppError provider_missing. */
export function chooseRoute(model: Model, request: PictureRequest, has: Has): Route {
  const [route] = routesFor(model, request, has)
  if (!route) throw new AppError('provider_missing', { model: model.title })
  return route
}

/** Credits that the request costs when all its pictures come. */
export function priceOf(model: Model, request: PictureRequest): number {
  return model.price * request.count
}

/** The ratio that comes closest to a picture's own; undefined where that shape is kept anyway. */
export function nearestAspect({ aspects }: Takes, { width, height }: { width: number; height: number }) {
  if (aspects.auto) return undefined
  const distance = ([, [w, h]]: [string, readonly [number, number]]) => Math.abs(Math.log(((w / h) * height) / width))
  const [nearest] = Object.entries(aspects).sort((a, b) => distance(a) - distance(b))
  return nearest?.[0]
}

/** Everything that models together know, in order, each once. */
export function knownAspects(models: readonly Model[]): string[] {
  const all = models.flatMap((model) => model.routes.flatMap(({ takes }) => Object.keys(takes.aspects)))
  return [...new Set(all)].filter((aspect) => aspect !== 'auto')
}

function accepts(takes: Takes, request: PictureRequest): boolean {
  const { images, count, prompt, aspect, width, height, negative } = request
  const preset = takes.aspects[aspect]
  const exact = takes.sizes && Math.min(width, height) >= takes.sizes.min && Math.max(width, height) <= takes.sizes.max
  return (
    images >= takes.images.min &&
    images <= takes.images.max &&
    count <= takes.count &&
    (takes.prompt === 'none') === (prompt === '' && takes.prompt !== 'optional') &&
    prompt.length <= (takes.promptLimit ?? Number.POSITIVE_INFINITY) &&
    (preset ? preset[0] === width && preset[1] === height : exact === true) &&
    (negative === undefined || takes.negative === true) &&
    (negative?.length ?? 0) <= (takes.negativeLimit ?? Number.POSITIVE_INFINITY) &&
    numberParams.every((name) => {
      const range = takes.params[name]
      const value = request[name]
      return value === undefined || (range !== undefined && Number(value) >= range.min && Number(value) <= range.max)
    })
  )
}

function checkPrompt(model: Model, takes: Takes, prompt: string): void {
  if (takes.prompt === 'none' && prompt !== '') throw new AppError('words_not_taken', { model: model.id })
  if (takes.prompt === undefined && prompt === '') throw new AppError('empty_prompt')
  const { promptLimit } = takes
  if (promptLimit !== undefined && prompt.length > promptLimit) {
    throw new AppError('prompt_too_long', { limit: promptLimit })
  }
}

function checkNegative(model: Model, { negative: taken, negativeLimit }: Takes, negative: string | undefined): void {
  if (negative === undefined) return
  if (!taken) throw new AppError('not_taken', { name: 'negative', model: model.id })
  if (negativeLimit === undefined || negative.length <= negativeLimit) return
  const value = `${negative.slice(0, shownCharacters)}…`
  throw new AppError('bad_option', { name: 'negative', value, limit: negativeLimit, expected: `≤ ${negativeLimit}` })
}

function checkParams(model: Model, takes: Takes, params: RequestParams): void {
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

function sizeOf(model: Model, { aspects, sizes }: Takes, aspect: string | undefined) {
  const known = Object.keys(aspects)
  const name = aspect ?? known[0] ?? '1:1'
  const preset = aspects[name]
  if (preset) return { aspect: name, width: preset[0], height: preset[1] }
  if (known.join() === 'auto') throw new AppError('not_taken', { name: 'aspect', model: model.id })
  const exact = /^(\d+)x(\d+)$/.exec(name)
  if (!exact || !sizes) throw new AppError('unknown_ratio', { ratio: name, model: model.id, available: known })
  const [width, height] = [Number(exact[1]), Number(exact[2])]
  if (Math.min(width, height) < sizes.min || Math.max(width, height) > sizes.max) {
    throw new AppError('bad_option', { name: 'size', value: name, expected: `${sizes.min}–${sizes.max}` })
  }
  return { aspect: name, width, height }
}
