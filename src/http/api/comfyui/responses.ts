/** Renders the outcome of a request as a task, with signed links to its pictures. */

import { AppError } from '../../../core/errors.ts'
import { type Outcome, pixelsOf } from '../../../core/history/outcome.ts'
import { signLink } from '../../../core/media/links.ts'
import type { StoredObject } from '../../../core/ports/storage.ts'
import { formatExpand } from '../../../core/request/grow.ts'
import { formatLoras } from '../../../core/request/loras.ts'
import { rejectStored } from '../../pictures/stored.ts'
import { base64 } from '../../server/json.ts'
import type { ApiParts } from '../parts.ts'
import { seedOf } from '../resolve-model.ts'
import type { Status, Task } from './response-schemas.ts'

export async function taskOf(parts: ApiParts, outcome: Outcome, withPicture: boolean): Promise<Task> {
  const { id, request, prompt, model, startedAt, endedAt } = outcome
  const { count, steps = null, guidance = null, negative, strength, mask, expand, loras } = request
  const links = linksTo(parts, outcome)
  return {
    task_id: id,
    status: statusOf(outcome),
    image_url: links[0] ?? '',
    ...(count > 1 && { image_urls: links }),
    parameters: {
      prompt,
      ...(negative !== undefined && { negative_prompt: negative }),
      ...pixelsOf(outcome),
      steps,
      guidance_scale: guidance,
      seed: seedOf(outcome),
      ...(strength !== undefined && { strength }),
      ...(mask && { masked: true as const }),
      ...(expand && { expand: formatExpand(expand) }),
      ...(loras && { loras: formatLoras(loras) }),
      ...(count > 1 && { num_images: count }),
      model,
    },
    ...(isCut(outcome) && { prompt_truncated: true as const }),
    generation_time: startedAt && endedAt && Math.round((endedAt.getTime() - startedAt.getTime()) / 10) / 100,
    ...(withPicture && { image_base64: await firstPictureInBase64(parts, outcome) }),
  }
}

/** Whether the prompt was cut, here or by the provider. */
const isCut = ({ request: { fit }, notes }: Outcome) =>
  fit?.adjusted.includes('prompt') === true || notes.some(({ kind }) => kind === 'prompt_cut')

/** `stored`: the pictures are stored but not delivered yet, which is still `running` for a program. */
export function statusOf({ state }: Pick<Outcome, 'state'>): Status {
  if (state === 'stored') return 'running'
  return state === 'delivered' ? 'completed' : state
}

type Picture = Outcome['pictures'][number]

/** Resolves to undefined when the store has no such picture. Rejects with AppError overloaded, because links have no other limit. */
export function asPng(parts: ApiParts, picture: Picture): Promise<StoredObject | undefined> {
  const make = () => loadPng(parts, picture)
  return picture.type === 'image/png' ? make() : parts.pictures.renditions(`png ${picture.key}`, make)
}

async function loadPng({ core, pictures }: ApiParts, { key, type }: Picture): Promise<StoredObject | undefined> {
  const object = await pictures.load(key)
  return object && type !== 'image/png' ? core.images.png(object).catch(rejectStored) : object
}

/** Paths, because clients prepend the address of the service. Signed like links to keys, which no id can be mistaken for. */
function linksTo({ core, imageExpirationSeconds }: ApiParts, { id, request, pictures }: Outcome): string[] {
  const expires = Math.floor(Date.now() / 1000) + imageExpirationSeconds
  const first = `/image/${id}?expires=${expires}&signature=${signLink(core.secretKey, id, expires)}`
  // until they are stored, as many as were requested
  const length = pictures.length || request.count
  return Array.from({ length }, (_, n) => (n === 0 ? first : `${first}&n=${n}`))
}

/** Not limited like `asPng`, because these pictures have been charged. */
async function firstPictureInBase64(parts: ApiParts, { pictures: [picture] }: Outcome): Promise<string> {
  if (!picture) throw new AppError('pictures_expired')
  const object = await loadPng(parts, picture)
  if (!object) throw new AppError('internal', {}, { cause: new Error(`no object under ${picture.key}`) })
  // serialized as a JSON string
  return base64(object.data) as unknown as string
}
