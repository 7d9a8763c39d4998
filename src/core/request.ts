/** Wish → request: what a model agrees to, or a refusal that names what it does not take and what it does. */
import { AppError } from './errors.ts'
import { type Model, numberParams, type PictureRequest, type Route, type Wish } from './ports.ts'

/** Throws AppError unknown_model. */
export function findModel(models: readonly Model[], name: string): Model {
  const wanted = name.toLowerCase()
  const model = models.find((each) => each.id === wanted || each.aliases.includes(wanted))
  if (!model) throw new AppError('unknown_model', { name, known: models.map((each) => each.id) })
  return model
}

/** Throws AppError for everything the model does not take. `images`: number of input pictures. */
export function makeRequest(model: Model, wish: Wish, images: number): PictureRequest {
  const { takes } = model
  if (wish.prompt === '') throw new AppError('empty_prompt')
  if (images > takes.images.max) throw new AppError('too_many_images', { model: model.id, limit: takes.images.max })
  if (images < takes.images.min) throw new AppError('image_needed', { model: model.id, count: takes.images.min })
  const count = wish.count ?? 1
  if (count < 1 || count > takes.count) {
    throw new AppError('bad_option', { name: 'n', value: count, expected: `1–${takes.count}` })
  }
  if (wish.negative !== undefined && !takes.negative) throw new AppError('not_taken', { name: 'no', model: model.id })
  checkParams(model, wish)
  const { aspect, width, height } = sizeOf(model, wish.aspect)
  const { prompt, seed, steps, guidance, strength, negative, enhance } = wish
  return {
    prompt,
    model: model.id,
    aspect,
    width,
    height,
    count,
    images,
    seed,
    steps,
    guidance,
    strength,
    negative,
    enhance,
  }
}

/** The first route that fits and whose provider is there. Throws AppError provider_missing. */
export function chooseRoute(model: Model, request: PictureRequest, has: (provider: string) => boolean): Route {
  const route = model.routes.find((each) => has(each.provider) && (each.fits?.(request) ?? true))
  if (!route) throw new AppError('provider_missing', { model: model.id })
  return route
}

/** Credits that the request costs when all its pictures come. */
export function priceOf(model: Model, request: PictureRequest): number {
  return model.price * request.count
}

/** The ratio of the model that comes closest to a picture's own. */
export function nearestAspect(model: Model, { width, height }: { width: number; height: number }): string {
  const distance = ([, [w, h]]: [string, readonly [number, number]]) => Math.abs(Math.log(((w / h) * height) / width))
  const [nearest] = Object.entries(model.takes.aspects).sort((a, b) => distance(a) - distance(b))
  return nearest?.[0] ?? '1:1'
}

function checkParams(model: Model, wish: Wish): void {
  for (const name of numberParams) {
    const value = wish[name]
    if (value === undefined) continue
    const range = model.takes.params[name]
    if (!range) throw new AppError('not_taken', { name, model: model.id })
    if (Number(value) < range.min || Number(value) > range.max) {
      throw new AppError('bad_option', { name, value, expected: `${range.min}–${range.max}` })
    }
  }
}

function sizeOf(model: Model, aspect: string | undefined): { aspect: string; width: number; height: number } {
  const { aspects, sizes } = model.takes
  const known = Object.keys(aspects)
  const name = aspect ?? known[0] ?? '1:1'
  const preset = aspects[name]
  if (preset) return { aspect: name, width: preset[0], height: preset[1] }
  const exact = /^(\d+)x(\d+)$/.exec(name)
  if (!exact) throw new AppError('unknown_ratio', { ratio: name, model: model.id, known })
  if (!sizes) throw new AppError('unknown_ratio', { ratio: name, model: model.id, known })
  const [width, height] = [Number(exact[1]), Number(exact[2])]
  if (Math.min(width, height) < sizes.min || Math.max(width, height) > sizes.max) {
    throw new AppError('bad_option', { name: 'size', value: name, expected: `${sizes.min}–${sizes.max}` })
  }
  return { aspect: name, width, height }
}
