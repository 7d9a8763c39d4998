/** What all families read alike: words, the model that a name means, and sizes. */
import type { KeyHolder } from '../../core/accounts/api-keys.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import type { Model, RequestParams, Takes } from '../../core/ports/models.ts'
import { modelFor } from '../../core/programs/ask.ts'
import { promptLimit, readSeed } from '../../core/request/parse.ts'
import { findModel, takenWith } from '../../core/request/resolve.ts'
import { cleanText, shorten } from '../../core/text.ts'
import { InvalidRequest } from '../server/validation.ts'

interface Said {
  prompt?: string
  negative_prompt?: string
  model?: string
  seed?: number | string
}

export interface ResolvedModel {
  params: Pick<RequestParams, 'prompt' | 'negative' | 'model' | 'seed'> & { model: string }
  model: Model
  /** With so many pictures. */
  takes: Takes
}

/** Of what is refused. */
const shownCharacters = 40

/** The prompt is taken as it is: flags belong to chats. Throws AppError prompt_too_long, unknown_model, … */
export function resolveModel(core: Core, holder: KeyHolder, said: Said, images: number): ResolvedModel {
  const prompt = cleanText(said.prompt ?? '')
  const negative = cleanText(said.negative_prompt ?? '')
  if (prompt.length > promptLimit) throw new AppError('prompt_too_long', { limit: promptLimit })
  if (negative.length > promptLimit) {
    const value = shorten(negative, shownCharacters)
    throw new AppError('bad_option', { name: 'negative', value, limit: promptLimit, expected: `≤ ${promptLimit}` })
  }
  const model = findModel(core.models.all(), modelFor(core, holder, said.model, { images, words: prompt !== '' }))
  const takes = takenWith(model, images, (provider) => core.providers.get(provider) !== undefined)
  const seed = said.seed === undefined ? undefined : readSeed(String(said.seed))
  return { params: { prompt, model: model.id, seed, negative: negative === '' ? undefined : negative }, model, takes }
}

/**
 * undefined: the model's own choice, as for 'auto' without a size. A size that is one of the model's is that ratio. Throws
 * AppError unknown_ratio with all that the model knows.
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
  // of one that keeps the shape of its picture the core says that it takes none
  if (presets.length === 0 || isWithin(takes.sizes, wanted)) return wanted
  const ratio = shorten(written, shownCharacters)
  throw new AppError('unknown_ratio', {
    ratio,
    model: model.id,
    available: [...presets.map(shownPreset), ...range(takes)],
  })
}

export function isWithin(sizes: Takes['sizes'], wanted: string): boolean {
  const [, width, height] = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(wanted) ?? []
  if (!sizes || width === undefined || height === undefined) return false
  const sides = [Number(width), Number(height)]
  return Math.min(...sides) >= sizes.min && Math.max(...sides) <= sizes.max
}

/** '1024x576 (16:9)' */
function shownPreset([name, [width, height]]: [string, readonly [number, number]]): string {
  const pixels = `${width}x${height}`
  return name === pixels ? name : `${pixels} (${name})`
}

const range = ({ sizes }: Takes) => (sizes ? [`${sizes.min}x${sizes.min} – ${sizes.max}x${sizes.max}`] : [])

/** '640x480'. Throws InvalidRequest for one without the other. */
export function sizeIn({ width, height }: { width?: number; height?: number }): string | undefined {
  if (width === undefined && height === undefined) return undefined
  if (width !== undefined && height !== undefined) return `${width}x${height}`
  const name = width === undefined ? 'width' : 'height'
  throw new InvalidRequest([{ name, message: 'width and height belong together', problem: 'missing' }])
}

/** A number where JavaScript's keep it exactly. */
export function seedOf({ seed, request }: { seed: string | null; request: { seed?: string } }): number | string | null {
  const text = seed ?? request.seed ?? null
  return text !== null && Number.isSafeInteger(Number(text)) ? Number(text) : text
}
