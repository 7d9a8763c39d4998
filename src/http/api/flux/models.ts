/** `GET /api/v1/flux/models`: the models that a key may use, and what each of them accepts. */
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import { partsOf, priceOfPart } from '../../../core/billing/quote.ts'
import type { Core } from '../../../core/core.ts'
import { AppError, spelledName } from '../../../core/errors.ts'
import type { Model, Takes } from '../../../core/ports/models.ts'
import { modelFor } from '../../../core/programs/ask.ts'
import { inputsNeeded, takenWith } from '../../../core/request/choose-model.ts'
import type { ApiApp, Family } from '../family.ts'
import { maxPictures } from '../fields.ts'
import { names } from './names.ts'
import { errorResponses, type Mode, modelsResponse, type ShownModel } from './response-schemas.ts'
import { tags } from './schemas.ts'

const schema = {
  summary: 'Lists the models that this key may use, with prices and accepted parameters.',
  operationId: 'fluxModels',
  tags,
  response: { 200: modelsResponse, ...errorResponses },
}

export function modelRoutes(app: ApiApp, { core, authenticate }: Family): void {
  app.get('/flux/models', { schema }, async (request) => {
    const holder = await authenticate(request)
    const models = shownModels(core, holder)
    return {
      success: true as const,
      enabled: models.length > 0,
      models,
      default_model: modelFor(core, holder, undefined),
    }
  })
}

/**
 * The models that lists include, and the endpoints of fal, because clients use their names. A key that is limited to models has
 * all of those, hidden ones too.
 */
export function shownModels(core: Core, { models }: KeyHolder): ShownModel[] {
  const all = core.models
    .all()
    .filter(({ off }) => !off)
    .filter(({ id, hidden }) => (models === null ? !hidden || id.startsWith('fal-ai/') : models.includes(id)))
  return all.map((model) => shownModel(core, model))
}

function shownModel(core: Core, model: Model): ShownModel {
  const modes = {
    text_to_image: modeWith(core, model, 0),
    image_to_image: modeWith(core, model, 1),
    multi_image_edit: modeWith(core, model, 2),
  }
  const types = typesOf(modes)
  return {
    id: model.id,
    name: model.title,
    aliases: [...model.aliases],
    description: describe(modes),
    provider: providerTitle(core, model),
    price: model.price,
    prices: Object.fromEntries(partsOf(model).map((part) => [part, priceOfPart(model, part)])),
    type: types[0] ?? 'text_to_image',
    types,
    modes,
  }
}

/** null: the model does not accept that number of images. */
function modeWith(core: Core, model: Model, images: 0 | 1 | 2): Mode | null {
  try {
    return { ...modeOf(takenWith(core, model, inputsNeeded(model, images)), images), ...areasOf(model, images) }
  } catch (error) {
    if (error instanceof AppError) return null
    throw error
  }
}

function areasOf(model: Model, images: number): Pick<Mode, 'mask' | 'expand' | 'loras'> {
  const all = model.routes.map(({ takes }) => takes).filter((takes) => fits(takes, images))
  const taking = images === 0 ? [] : all
  const loras = all.find((takes) => takes.loras)?.loras
  const needed = inputsNeeded(model, images)
  const isNeeded = needed.mask === true || needed.expand === true
  return {
    mask: taking.some(({ mask }) => mask) ? (isNeeded ? 'required' : 'optional') : null,
    expand: taking.some(({ expand }) => expand) ? (isNeeded ? 'required' : 'optional') : null,
    loras: loras ? lorasShown(loras) : null,
  }
}

const fits = ({ images: { min, max } }: Takes, images: number) => images >= min && images <= max

const lorasShown = ({ max, range, names, hosts }: NonNullable<Takes['loras']>): Mode['loras'] => ({
  max,
  scale: { min: range.min, max: range.max },
  names: [...names],
  hosts: [...hosts],
})

function modeOf(takes: Takes, images: number): Omit<Mode, 'mask' | 'expand' | 'loras'> {
  const max = images < 2 ? images : Math.min(takes.images.max, maxPictures)
  const ranges = Object.entries(takes.params).map(([name, { min, max, integer = false }]) => {
    return [spelledName(name, names), { min, max, integer }] as const
  })
  const sizes = Object.entries(takes.aspects).map(([name, [width, height]]) => [name, { width, height }] as const)
  return {
    input_images: { min: images, max },
    prompt: takes.prompt ?? 'required',
    aspect_ratios: Object.fromEntries(sizes),
    sizes: takes.sizes ? { min: takes.sizes.min, max: takes.sizes.max } : null,
    parameters: Object.fromEntries(ranges),
    negative_prompt: takes.negative ?? false,
    max_images: takes.count,
  }
}

function typesOf(modes: ShownModel['modes']): ShownModel['types'] {
  return [
    ...(modes.text_to_image ? (['text_to_image'] as const) : []),
    ...(modes.image_to_image ? (['image_to_image'] as const) : []),
    ...(modes.multi_image_edit ? (['multi_image'] as const) : []),
  ]
}

function describe({
  text_to_image: text,
  image_to_image: image,
  multi_image_edit: several,
}: ShownModel['modes']): string {
  const from = [
    ...(text ? ['text'] : []),
    ...(image ? ['one image'] : []),
    ...(several ? [`2 to ${several.input_images.max} images`] : []),
  ]
  return `Creates images from ${from.join(', from ')}.`
}

/** The title of the first provider that is set up. */
function providerTitle({ providers }: Core, { routes }: Model): string {
  const titles = routes.map(({ provider }) => providers.get(provider)?.title)
  return titles.find((title) => title !== undefined) ?? 'no provider'
}
