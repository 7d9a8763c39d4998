/** The stored result of a request, as the buttons below it and commands about it need it. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { AppError, type ErrorKind } from '../errors.ts'
import { isId } from '../ids.ts'
import type { Attachment, Posted } from '../ports/chat.ts'
import type { ImageType } from '../ports/images.ts'
import type { Note, PictureRequest, Quote } from '../ports/models.ts'
import type { Quoted } from './result-buttons.ts'

export interface StoredPicture {
  key: string
  type: ImageType
  width: number
  height: number
  bytes: number
  /** The provider flagged it as unsuitable for some. */
  flagged: boolean
}

const picturesOf = (role: 'input' | 'mask' | 'output') => sql`coalesce((
  select jsonb_agg(jsonb_build_object('key', i.key, 'type', i.type, 'width', i.width, 'height', i.height,
    'bytes', i.bytes, 'flagged', i.flagged) order by i.position)
  from images i where i.generation_id = generations.id and i.role = '${sql.raw(role)}'), '[]')`

const columns = columnsOf({
  id: generations.id,
  userId: generations.userId,
  surface: generations.surface,
  /** The chat where people see it. null: in no chat. */
  channel: generations.channel,
  private: generations.private,
  posted: typed<Posted | null>(generations.posted),
  locale: generations.locale,
  model: generations.model,
  provider: generations.provider,
  ticket: generations.ticket,
  request: typed<PictureRequest>(generations.request),
  enhanced: generations.enhanced,
  notes: typed<readonly Note[] | null>(generations.notes),
  seed: generations.seed,
  price: generations.price,
  quote: typed<Quote | null>(generations.quote),
  parentId: generations.parentId,
  quoted: typed<Quoted | null>(generations.quoted),
  /** Milliseconds from the first attempt until the pictures were stored. */
  runMs: typed<number>(
    sql`coalesce(extract(epoch from generations.stored_at - generations.started_at) * 1000, 0)::float8`,
  ),
  /** In order. */
  pictures: typed<StoredPicture[]>(picturesOf('output')),
  inputs: typed<StoredPicture[]>(picturesOf('input')),
  /** One, or none. */
  masks: typed<StoredPicture[]>(picturesOf('mask')),
})

export type StoredResult = NonNullable<(typeof columns)['row']>

/** Pixels on the longer side of what replaces an original that is too large for an input. */
const reducedEdge = 2048

/** undefined: there is no such result, it was erased, or its pictures have expired. */
export async function readResult(core: Core, id: string): Promise<StoredResult | undefined> {
  const result = await readKept(core, id)
  return result && !hasExpired(result) ? result : undefined
}

/** Whether its pictures were deleted because of their age (media/retention.ts). */
export const hasExpired = ({ pictures }: StoredResult) => pictures.length === 0

/** Also one whose pictures have expired. A result is posted a little before its request counts as delivered. */
export async function readKept(core: Core, id: string): Promise<StoredResult | undefined> {
  if (!isId(id)) return undefined
  const [row] = await readRows(
    core.database,
    columns,
    (list) => sql`
      select ${list} from generations
      where id = ${id}::uuid and state in ('stored','delivered') and erased_at is null`,
  )
  return row
}

/** Throws AppError unknown_button, pictures_expired. */
export async function resultOf(core: Core, id: string): Promise<StoredResult> {
  return withPictures(core, await readKept(core, id), 'unknown_button')
}

/** Throws AppError pictures_expired, or `absent` if there is no result. */
export function withPictures(
  { limits }: Pick<Core, 'limits'>,
  result: StoredResult | undefined,
  absent: ErrorKind,
): StoredResult {
  if (!result) throw new AppError(absent)
  if (hasExpired(result)) throw new AppError('pictures_expired', { days: limits.pictureDays })
  return result
}

/** `number` from 1; absent: the first. Throws AppError unknown_button. */
export function pictureOf({ pictures }: StoredResult, number = 1): StoredPicture {
  const picture = pictures[number - 1]
  if (!picture) throw new AppError('unknown_button')
  return picture
}

/**
 * The original, as an input of another request. It rejects with AppError unknown_button once the picture is gone. `exact`: never
 * a smaller copy; the request is refused where the original is too large for an input.
 */
export function asInput(
  core: Core,
  { key, type, width, height, bytes }: StoredPicture,
  { exact = false }: { exact?: boolean } = {},
): Attachment {
  return {
    name: key,
    bytes,
    load: async (limitBytes) => {
      const data = await readPicture(core, key)
      if (exact || data.length <= limitBytes) return data
      const reduced = await core.images.thumbnail({ data }, Math.min(reducedEdge, Math.max(width, height)))
      core.log.debug({ key, type, bytes }, 'an original was too large for an input; a smaller copy is used')
      return reduced.data
    },
  }
}

/** The mask of a request, as that of another request. `size`: of the picture that it is for now. undefined: it had none. */
export function maskFrom(core: Core, { masks: [mask] }: StoredResult, size?: Pick<StoredPicture, 'width' | 'height'>) {
  if (!mask) return undefined
  const { width, height } = size ?? mask
  const isSame = width === mask.width && height === mask.height
  const attachment = asInput(core, mask, { exact: true })
  if (isSame) return attachment
  const load = async () => {
    const data = await readPicture(core, mask.key)
    return (await core.images.markAs({ data }, 'white', { width, height })).data
  }
  return { name: mask.key, load } satisfies Attachment
}

/** Rejects with AppError unknown_button once the picture is gone. */
export async function readPicture(core: Core, key: string): Promise<Buffer> {
  const object = await core.store.get(key)
  if (!object) throw new AppError('unknown_button')
  return object.data
}
