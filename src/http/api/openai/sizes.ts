/** Maps sizes in pixels, which OpenAI's clients send, to the aspect ratios or sizes of a model. */
import { nearestAspect } from '../../../core/request/check.ts'
import { aspectIn, isWithin, type ResolvedModel } from '../resolve-model.ts'

/** OpenAI's sizes: many clients offer only these, so every model must accept them. */
const openAiSizes = new Set(['1024x1024', '1536x1024', '1024x1536', '1792x1024', '1024x1792', '512x512', '256x256'])

type Pixels = readonly [width: number, height: number]

/**
 * If the model takes no exact sizes, a size selects the ratio it has, and one of OpenAI's sizes the nearest ratio.
 * undefined: the model chooses. Throws AppError unknown_ratio.
 */
export function aspectFor(
  resolved: Pick<ResolvedModel, 'model' | 'takes'>,
  size: string | undefined,
): string | undefined {
  const { takes } = resolved
  const { auto: _, ...presets } = takes.aspects
  const wanted = size?.trim().toLowerCase().replace('×', 'x') ?? ''
  const [, width, height] = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(wanted) ?? []
  const isPreset = Object.values(presets).some(([w, h]) => wanted === `${w}x${h}`)
  if (width === undefined || height === undefined || isPreset || isWithin(takes.sizes, wanted)) {
    return aspectIn(resolved, size)
  }
  const pixels: Pixels = [Number(width), Number(height)]
  const nearest = nearestAspect({ ...takes, aspects: presets }, { width: pixels[0], height: pixels[1] })
  if (openAiSizes.has(wanted)) return nearest
  if (takes.sizes || nearest === undefined) return aspectIn(resolved, size)
  const hasRatio = ratiosOf(nearest, presets[nearest]).some((ratio) => isSameRatio(ratio, pixels))
  return hasRatio ? nearest : aspectIn(resolved, size)
}

/** The ratio in the preset's name and the ratio of its pixels, which may differ by a few pixels. */
function ratiosOf(name: string, pixels: Pixels | undefined): Pixels[] {
  const [, across, down] = /^(\d+):(\d+)$/.exec(name) ?? []
  return [...(pixels ? [pixels] : []), [Number(across), Number(down)]]
}

const isSameRatio = ([width, height]: Pixels, other: Pixels) => width * other[1] === height * other[0]
