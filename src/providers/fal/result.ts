/** What a model has drawn, from the answer to the result's address or from a webhook. */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { Note } from '../../core/ports/models.ts'
import type { Progress, Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { again } from '../again.ts'
import type { ProviderHttp } from '../http.ts'

export const resultShape = z.looseObject({
  images: z.array(z.looseObject({ url: z.string() })).min(1),
  /** A string where it exceeds 2^53. */
  seed: z.union([z.number(), z.string()]).nullish().catch(undefined),
  has_nsfw_concepts: z.array(z.boolean()).nullish().catch(undefined),
})
export type Result = z.infer<typeof resultShape>

const emptyShape = z.looseObject({ images: z.tuple([]) })

/** It is over and nothing was drawn: asking again brings no pictures. */
export function isEmpty(body: Json | undefined): boolean {
  return emptyShape.safeParse(body).success
}

/** Rejects with AppError moderated where nothing is left to show. */
export async function fetchPictures(
  http: ProviderHttp,
  result: Result,
  { task, signal }: { task: Task; signal: AbortSignal },
): Promise<Progress> {
  // flagged pictures are blacked out
  const shown = result.images.filter((_, at) => result.has_nsfw_concepts?.[at] !== true)
  if (shown.length === 0) throw new AppError('moderated', { provider: 'fal' })
  const images = await Promise.all(shown.map(({ url }) => again(signal, () => http.picture(url, signal))))
  const asked = askedOf(task.input)
  const missing: Note = { kind: 'some_missing', data: { count: images.length, asked } }
  const seed = result.seed === null || result.seed === undefined ? undefined : String(result.seed)
  return { state: 'done', images, seed, notes: images.length < asked ? [missing] : [] }
}

export function askedOf(input: Json): number {
  const { data } = z.looseObject({ num_images: z.number() }).safeParse(input)
  return data?.num_images ?? 1
}
