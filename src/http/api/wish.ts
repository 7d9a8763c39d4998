/** What most families read alike: words, the model that a name means, and sizes. */
import type { Holder } from '../../core/api-keys.ts'
import { modelFor } from '../../core/asked.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import type { Model, Takes, Wish } from '../../core/ports.ts'
import { promptLimit, readAspect, readSeed } from '../../core/prompt.ts'
import { findModel, takenWith } from '../../core/request.ts'
import { cleanText } from '../../core/text.ts'
import { InvalidRequest } from './validation.ts'

interface Said {
  prompt?: string
  negative_prompt?: string
  model?: string
  seed?: number | string
}

interface Read {
  wish: Pick<Wish, 'prompt' | 'negative' | 'model' | 'seed'> & { model: string }
  model: Model
  /** With so many pictures. */
  takes: Takes
}

/** The prompt is taken as it is: flags belong to chats. Throws AppError prompt_too_long, unknown_model, … */
export function readWish(core: Core, holder: Holder, said: Said, images: number): Read {
  const prompt = cleanText(said.prompt ?? '')
  const negative = cleanText(said.negative_prompt ?? '')
  if (Math.max(prompt.length, negative.length) > promptLimit) {
    throw new AppError('prompt_too_long', { limit: promptLimit })
  }
  const model = findModel(core.models.all(), modelFor(core, holder, said.model))
  const takes = takenWith(model, images, (provider) => core.providers.get(provider) !== undefined)
  const seed = said.seed === undefined ? undefined : readSeed(String(said.seed))
  return { wish: { prompt, model: model.id, seed, negative: negative === '' ? undefined : negative }, model, takes }
}

/** undefined: the model's own choice. A size that is one of the model's is that ratio. Throws AppError for no ratio. */
export function aspectIn(takes: Takes, named: string | undefined, size: string | undefined): string | undefined {
  const wanted = named === undefined || /^(auto|custom)$/i.test(named) ? size : readAspect(named)
  const preset = Object.entries(takes.aspects).find(([, [width, height]]) => wanted === `${width}x${height}`)
  return preset?.[0] ?? wanted
}

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
