/** Fields that have the same meaning in all families: prompts, model names, sizes and seeds. */
import type { KeyHolder } from '../../core/accounts/api-keys.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import type { RequestParams, Takes } from '../../core/ports/models.ts'
import { type ChosenModel, checkParams } from '../../core/request/check.ts'
import { chooseModel, inputsOf } from '../../core/request/choose-model.ts'
import { promptLimit, readSeed } from '../../core/request/parse.ts'
import { cleanLines, cleanText, shorten } from '../../core/text.ts'
import { InvalidRequest } from '../server/validation.ts'
import { type ExpandField, expandIn } from './areas.ts'
import { type LorasField, lorasIn } from './loras.ts'

interface Fields {
  prompt?: string
  negative_prompt?: string
  model?: string
  seed?: number | string
  /** Present: the request has a mask. */
  mask?: unknown
  expand?: ExpandField
  loras?: LorasField
}

export interface ResolvedModel extends ChosenModel {
  params: Pick<RequestParams, 'prompt' | 'negative' | 'model' | 'seed' | 'mask' | 'expand' | 'loras'> & {
    model: string
  }
}

/** A request with its model. */
export interface ModelRequest {
  chosen: ChosenModel
  params: RequestParams
}

/** Characters of a refused value that its error repeats. */
const shownCharacters = 40

/** All parameters of the request for a model, which knows sizes by other names than another model. Throws AppError. */
type BuildParams = (resolved: ResolvedModel) => RequestParams

export interface ToResolve {
  holder: KeyHolder
  fields: Fields
  /** Number of input pictures. */
  images: number
  build: BuildParams
  /** Ids of models that are tried before the default model. Absent: none. */
  prefer?: readonly string[]
}

/**
 * The prompt is used as it is: flags belong to plain text. If no model is named, the first one that takes what `build`
 * returns for it is chosen. Throws AppError prompt_too_long, bad_option, unknown_model, …
 */
export function resolveModel(core: Core, { holder, fields, images, build, prefer }: ToResolve): ModelRequest {
  const prompt = cleanLines(fields.prompt ?? '')
  const negative = cleanText(fields.negative_prompt ?? '')
  if (prompt.length > promptLimit) throw new AppError('prompt_too_long', { limit: promptLimit })
  if (negative.length > promptLimit) {
    const value = shorten(negative, shownCharacters)
    throw new AppError('bad_option', { name: 'negative', value, limit: promptLimit, expected: `≤ ${promptLimit}` })
  }
  const seed = fields.seed === undefined ? undefined : readSeed(String(fields.seed))
  const mask = fields.mask === undefined ? undefined : true
  const expand = expandIn(fields.expand)
  const loras = lorasIn(fields.loras)
  const resolvedFor = ({ model, takes }: ChosenModel): ResolvedModel => ({
    params: { prompt, model: model.id, seed, negative: negative === '' ? undefined : negative, mask, expand, loras },
    model,
    takes,
  })
  const chosen = chooseModel(core, {
    name: fields.model,
    allowed: holder.models,
    ...inputsOf({ mask, expand, loras }, images),
    words: prompt !== '',
    check: (candidate) => checkParams(candidate, build(resolvedFor(candidate)), images),
    prefer,
  })
  return { chosen, params: build(resolvedFor(chosen)) }
}

/**
 * Returns undefined for the model's default, which 'auto' without a size means. A size that equals the size of one of the
 * model's ratios becomes that ratio. `named`: a ratio or size. It takes precedence over `size`. Throws AppError unknown_ratio.
 */
export function aspectIn(
  { model, takes }: Pick<ResolvedModel, 'model' | 'takes'>,
  named: string | undefined,
  size?: string,
): string | undefined {
  const written = named === undefined || /^(auto|custom)$/i.test(named.trim()) ? size : named
  if (written === undefined) return undefined
  const wanted = written.trim().toLowerCase().replace('：', ':').replace('×', 'x')
  const presets = Object.entries(takes.aspects).filter(([name]) => name !== 'auto')
  const preset = presets.find(([name, [width, height]]) => wanted === name || wanted === `${width}x${height}`)
  if (preset) return preset[0]
  // a model that keeps the shape of its input has no presets; the core refuses any ratio for it
  if (presets.length === 0 || isWithin(takes.sizes, wanted)) return wanted
  const ratio = shorten(written, shownCharacters)
  throw new AppError('unknown_ratio', {
    ratio,
    model: model.id,
    available: [...presets.map(presetName), ...range(takes)],
  })
}

export function isWithin(sizes: Takes['sizes'], wanted: string): boolean {
  const [, width, height] = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(wanted) ?? []
  if (!sizes || width === undefined || height === undefined) return false
  const sides = [Number(width), Number(height)]
  return Math.min(...sides) >= sizes.min && Math.max(...sides) <= sizes.max
}

/** '1024x576 (16:9)' */
function presetName([name, [width, height]]: [string, readonly [number, number]]): string {
  const pixels = `${width}x${height}`
  return name === pixels ? name : `${pixels} (${name})`
}

const range = ({ sizes }: Takes) => (sizes ? [`${sizes.min}x${sizes.min} – ${sizes.max}x${sizes.max}`] : [])

/** '640x480'. Throws InvalidRequest when one of them is missing. */
export function sizeIn({ width, height }: { width?: number; height?: number }): string | undefined {
  if (width === undefined && height === undefined) return undefined
  if (width !== undefined && height !== undefined) return `${width}x${height}`
  const name = width === undefined ? 'width' : 'height'
  throw new InvalidRequest([{ name, message: 'width and height must be given together', problem: 'missing' }])
}

/** Returns text for seeds that a JavaScript number cannot hold exactly. */
export function seedOf({ seed, request }: { seed: string | null; request: { seed?: string } }): number | string | null {
  const text = seed ?? request.seed ?? null
  return text !== null && Number.isSafeInteger(Number(text)) ? Number(text) : text
}
