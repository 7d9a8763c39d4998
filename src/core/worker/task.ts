/** What a provider gets: the generation mapped by its route, with its input pictures. */
import { and, eq } from 'drizzle-orm'
import { images } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Generation } from '../generation/row.ts'
import type { ImageFile } from '../ports/images.ts'
import type { ImageRef } from '../ports/models.ts'
import type { Task } from '../ports/providers.ts'
import { enlargedBytes } from '../request/enlarge.ts'

/** Throws AppError provider_missing, input_lost. */
export async function taskOf(core: Core, generation: Generation): Promise<Task> {
  const { id, model, provider, endpoint, request, submittedBefore, webhookMessage } = generation
  const route = core.models
    .all()
    .find((each) => each.id === model)
    ?.routes.find((each) => each.provider === provider && each.endpoint === endpoint)
  if (!route) throw new AppError('provider_missing', { model }, { neverRan: !submittedBefore })
  const inputs = request.images === 0 ? [] : await readInputs(core, id)
  const prompt = fittingPrompt(generation, route.takes.promptLimit)
  const refs: ImageRef[] = inputs.map((_, position) => ({ $image: position }))
  return {
    id,
    endpoint,
    input: route.input({ ...request, prompt }, refs),
    images: inputs.map(({ file }) => file),
    imageUrls: core.store.reachable ? await linksTo(core, generation, inputs) : undefined,
    count: request.count,
    result: route.result,
    pictureBytes: request.scale === undefined ? undefined : enlargedBytes,
    ...(request.adult && { flaggedToo: true }),
    webhookMessage: webhookMessage ?? undefined,
  }
}

/** An enhanced prompt may be longer than the model takes. The person's own was checked at acceptance. */
function fittingPrompt(generation: Generation, limit = Number.POSITIVE_INFINITY): string {
  const prompt = generation.enhanced ?? generation.request.prompt
  if (prompt.length <= limit) return prompt
  generation.notes = [
    ...(generation.notes ?? []).filter(({ kind }) => kind !== 'prompt_cut'),
    { kind: 'prompt_cut', data: { limit, of: 'characters' } },
  ]
  // not between the two halves of a character
  return prompt.slice(0, limit).replace(/[\uD800-\uDBFF]$/, '')
}

interface Input {
  key: string
  file: ImageFile
}

function linksTo(core: Core, { leftMs }: Generation, inputs: readonly Input[]): Promise<string[]> {
  const ttlSeconds = Math.ceil(Math.max(60_000, leftMs) / 1000)
  return Promise.all(inputs.map(({ key }) => core.store.link(key, ttlSeconds)))
}

async function readInputs(core: Core, id: string): Promise<Input[]> {
  const rows = await core.database.db
    .select({ key: images.key, type: images.type, width: images.width, height: images.height })
    .from(images)
    .where(and(eq(images.generationId, id), eq(images.role, 'input')))
    .orderBy(images.position)
  return Promise.all(
    rows.map(async ({ key, ...about }) => {
      const object = await core.store.get(key)
      if (!object) throw new AppError('input_lost', {}, { neverRan: true })
      return { key, file: { data: object.data, ...about } }
    }),
  )
}
