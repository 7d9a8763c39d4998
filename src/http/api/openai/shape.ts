/**
 * The shape and the number of images, also under the names that other services use. A field without a clear meaning is
 * refused by its name: ignoring it would charge for images that the client did not ask for.
 */
import { AppError } from '../../../core/errors.ts'
import { presetSizes } from '../fields.ts'
import { type ResolvedModel, sizeIn } from '../resolve-model.ts'
import { OpenAiError } from './errors.ts'
import type { GenerationsBody } from './schemas.ts'
import { aspectFor } from './sizes.ts'

type ShapeFields = Partial<
  Pick<
    GenerationsBody,
    'size' | 'aspect_ratio' | 'image_size' | 'width' | 'height' | 'image_config' | 'n' | 'num_images'
  >
>

interface Named {
  name: string
  value: string | number
}

/** undefined: the model chooses. Throws OpenAiError, InvalidRequest, and AppError unknown_ratio. */
export function shapeOf(resolved: Pick<ResolvedModel, 'model' | 'takes'>, body: ShapeFields): string | undefined {
  const aspects = shapesIn(body).map(({ name, value }) => ({ name, value, aspect: aspectOf(resolved, name, value) }))
  assertSame(aspects.map(({ name, aspect }) => ({ name, value: aspect ?? 'auto' })))
  return aspects[0]?.aspect
}

/** undefined: one. Throws OpenAiError. */
export function countOf({ n, num_images }: ShapeFields): number | undefined {
  const counts = given([
    ['n', n],
    ['num_images', num_images],
  ])
  assertSame(counts)
  return n ?? num_images
}

function shapesIn({ size, aspect_ratio, image_size, width, height, image_config }: ShapeFields) {
  const shapes = given([
    ['size', size],
    ['aspect_ratio', aspect_ratio],
    ['image_size', writtenSize(image_size)],
    ['width', sizeIn({ width, height })],
    ['image_config.aspect_ratio', image_config?.aspect_ratio],
    ['image_config.image_size', writtenSize(image_config?.image_size)],
  ])
  return shapes.map(({ name, value }) => ({ name, value: String(value) })).filter(({ value }) => !isAuto(value))
}

const isAuto = (value: string) => /^\s*auto\s*$/i.test(value)

/** '1024x576' stays, and a name of fal's becomes its ratio. */
function writtenSize(size: ShapeFields['image_size']): string | undefined {
  if (typeof size === 'object') return `${size.width}x${size.height}`
  return size !== undefined && Object.hasOwn(presetSizes, size) ? presetSizes[size as keyof typeof presetSizes] : size
}

/** The core names the field `size` in its errors. */
function aspectOf(resolved: Pick<ResolvedModel, 'model' | 'takes'>, name: string, value: string): string | undefined {
  if (name === 'size') return aspectFor(resolved, value)
  const { model, takes } = resolved
  const presets = Object.keys(takes.aspects).filter((aspect) => aspect !== 'auto')
  if (presets.length === 0 && !takes.sizes) {
    const message = `Unsupported parameter: '${name}' is not supported with ${model.id}.`
    throw new OpenAiError(message, { param: name, code: 'unsupported_parameter' })
  }
  try {
    return aspectFor(resolved, value)
  } catch (error) {
    if (!(error instanceof AppError) || error.kind !== 'unknown_ratio') throw error
    const { ratio, available } = error.data
    const message = `Invalid value for '${name}': '${ratio}'. ${model.id} supports: auto, ${[available].flat().join(', ')}.`
    throw new OpenAiError(message, { param: name, code: 'invalid_value' })
  }
}

function given(fields: readonly (readonly [name: string, value: string | number | undefined])[]): Named[] {
  return fields.flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]))
}

function assertSame([first, ...others]: readonly Named[]): void {
  const other = others.find(({ value }) => value !== first?.value)
  if (!first || !other) return
  const message = `Invalid value for '${other.name}': it contradicts '${first.name}'. Send one of them.`
  throw new OpenAiError(message, { param: other.name, code: 'invalid_value' })
}
