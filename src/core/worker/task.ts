/** What a provider gets: the generation mapped by its route, with its input pictures. */
import { and, eq, inArray } from 'drizzle-orm'
import { images } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Generation } from '../generation/row.ts'
import { type PlacedInput, type PlacedInputs, placeInputs } from '../media/place-inputs.ts'
import type { ImageRef } from '../ports/models.ts'
import type { Task } from '../ports/providers.ts'
import { enlargedBytes } from '../request/enlarge.ts'
import { lorasRefused } from '../request/loras.ts'

/** Throws AppError provider_missing, input_lost. */
export async function taskOf(core: Core, generation: Generation): Promise<Task> {
  const { id, model, provider, endpoint, request, submittedBefore, webhookMessage } = generation
  const route = core.models
    .all()
    .find((each) => each.id === model)
    ?.routes.find((each) => each.provider === provider && each.endpoint === endpoint)
  if (!route) throw new AppError('provider_missing', { model }, { neverRan: !submittedBefore })
  const stored = request.images === 0 ? { inputs: [] } : await readInputs(core, generation)
  // its pack may have changed since
  const isOther = (request.mask && !route.takes.mask) || (request.expand && !route.takes.expand)
  const lacksLora = !submittedBefore && lorasRefused({ model, takes: route.takes }, request.loras) !== undefined
  if (isOther || lacksLora) {
    throw new AppError('provider_missing', { model }, { neverRan: !submittedBefore })
  }
  // drawing all of the picture anew is not what was paid for
  if (request.mask && !stored.mask) throw new AppError('input_lost', {}, { neverRan: !submittedBefore })
  const { inputs, mask } = await placeInputs(core.images, { request, takes: route.takes }, stored)
  const prompt = fittingPrompt(generation, route.takes.promptLimit)
  const refs: ImageRef[] = inputs.map((_, position) => ({ $image: position }))
  return {
    id,
    endpoint,
    input: route.input({ ...request, prompt }, refs, mask && { $image: inputs.length }),
    images: [...inputs.map(({ file }) => file), ...(mask ? [mask] : [])],
    imageUrls: core.store.reachable ? await linksTo(core, generation, inputs) : undefined,
    count: request.count,
    result: route.result,
    // these may have many megapixels
    pictureBytes: request.scale === undefined && !request.expand && !request.mask ? undefined : enlargedBytes,
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

function linksTo(core: Core, { leftMs }: Generation, inputs: readonly PlacedInput[]) {
  const ttlSeconds = Math.ceil(Math.max(60_000, leftMs) / 1000)
  return Promise.all(inputs.map(({ key }) => key && core.store.link(key, ttlSeconds)))
}

async function readInputs(core: Core, { id, request }: Generation): Promise<PlacedInputs> {
  const rows = await core.database.db
    .select({ key: images.key, role: images.role, type: images.type, width: images.width, height: images.height })
    .from(images)
    .where(and(eq(images.generationId, id), inArray(images.role, ['input', 'mask'])))
    .orderBy(images.role, images.position)
  const read = await Promise.all(
    rows.map(async ({ key, role, ...about }) => {
      const object = await core.store.get(key)
      if (!object) throw new AppError('input_lost', {}, { neverRan: true })
      return { key, role, file: { data: object.data, ...about } }
    }),
  )
  const mask = request.mask && read.find(({ role }) => role === 'mask')?.file
  return { inputs: read.filter(({ role }) => role === 'input'), mask }
}
