/** OpenAI's clients offer sizes in pixels: what they stand for with a model that knows ratios. */
import { nearestAspect } from '../../../core/request/check.ts'
import { aspectIn, isWithin, type ResolvedModel } from '../resolve-model.ts'

/** Many clients offer these and no others. */
const usual = new Set(['1024x1024', '1536x1024', '1024x1536', '1792x1024', '1024x1792', '512x512', '256x256'])

type Pixels = readonly [width: number, height: number]

/**
 * Where the model takes no pixels they stand for their ratio, and the usual ones for the nearest that there is. undefined: the
 * model's own choice. Throws AppError unknown_ratio.
 */
export function aspectFor(read: Pick<ResolvedModel, 'model' | 'takes'>, said: string | undefined): string | undefined {
  const { takes } = read
  const { auto: _, ...presets } = takes.aspects
  const wanted = said?.trim().toLowerCase().replace('×', 'x') ?? ''
  const [, width, height] = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(wanted) ?? []
  const isPreset = Object.values(presets).some(([w, h]) => wanted === `${w}x${h}`)
  if (width === undefined || height === undefined || isPreset || isWithin(takes.sizes, wanted)) {
    return aspectIn(read, said)
  }
  const pixels: Pixels = [Number(width), Number(height)]
  const nearest = nearestAspect({ ...takes, aspects: presets }, { width: pixels[0], height: pixels[1] })
  if (usual.has(wanted)) return nearest
  if (takes.sizes || nearest === undefined) return aspectIn(read, said)
  const isRatio = ratiosOf(nearest, presets[nearest]).some((ratio) => isSame(ratio, pixels))
  return isRatio ? nearest : aspectIn(read, said)
}

/** What it is called and what is drawn may differ by a few pixels. */
function ratiosOf(name: string, drawn: Pixels | undefined): Pixels[] {
  const [, across, down] = /^(\d+):(\d+)$/.exec(name) ?? []
  return [...(drawn ? [drawn] : []), [Number(across), Number(down)]]
}

const isSame = ([width, height]: Pixels, other: Pixels) => width * other[1] === height * other[0]
