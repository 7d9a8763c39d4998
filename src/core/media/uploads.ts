/**
 * Pictures that programs upload ahead of the requests that name them. A row exists before its object, marked by 0 bytes until
 * the object is stored, and marked again before the object goes: after a crash the sweeper finds the object by its row.
 */

import { type SQL, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Db } from '../../db/database.ts'
import { uploads } from '../../db/schema/programs.ts'
import type { KeyHolder } from '../accounts/api-keys.ts'
import { banColumns, banError } from '../accounts/bans.ts'
import { assertPace, limitsFor, slowDown } from '../accounts/limits.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { ImageFile, ImageType } from '../ports/images.ts'
import { inputKey } from './object-keys.ts'
import { withReservation } from './read-inputs.ts'

export interface Upload {
  /** In the object store. Only the account that uploaded it may name it in a request. */
  key: string
  type: ImageType
  width: number
  height: number
  bytes: number
  createdAt: Date
}

type Sender = Pick<KeyHolder, 'userId' | 'keyId'>

export const keptHours = 24
const keptFor = `${keptHours} hours`
/** Longer than any store takes: the process that was storing it has died. */
const storingFor = '10 minutes'
const maxPerDay = 200
/** The operator's programs serve many people. */
const operatorMaxPerDay = 20_000
/** Rows that one round of the sweeper deletes, and how many of them at the same time. */
const sweepRows = 200
const batchSize = 20
const megabyte = 1024 * 1024

/** How many pictures may be uploaded in a day. */
export const uploadsPerDay = ({ keyId }: Pick<Sender, 'keyId'>) => (keyId === null ? operatorMaxPerDay : maxPerDay)

/**
 * Stores all of them, or none. Throws AppError image_type, image_unreadable, image_too_big (each with the file's number as
 * `position`), banned, too_many_uploads, too_fast, too_many_in_flight, overloaded.
 */
export async function storeUploads(core: Core, sender: Sender, files: readonly Buffer[]): Promise<Upload[]> {
  // checked first, so that files we would not keep are not decoded
  await assertAllowed(core, sender, files.length)
  const limits = limitsFor(core, sender)
  await assertPace(core, sender.userId, limits)
  const owner = { ...limits, userId: sender.userId }
  const cleaned = await withReservation(core, owner, () => core.inputLimits.decode(() => cleanAll(core, sender, files)))
  return storeCleaned(core, sender, cleaned)
}

/** Pictures that were read already (read-inputs.ts), and counted in the pace. Throws AppError banned, too_many_uploads. */
export async function storeCleaned(core: Core, sender: Sender, cleaned: readonly ImageFile[]): Promise<Upload[]> {
  const id = uuidv7()
  const uploads = cleaned.map((file, position) => ({ file, key: inputKey(core, id, position, file.type) }))
  await announce(core, sender, uploads)
  const stored = await Promise.allSettled(uploads.map(({ key, file }) => core.store.put(key, file.data, file.type)))
  try {
    const failed = stored.find((each) => each.status === 'rejected')
    if (failed) throw failed.reason
    return await confirm(core, uploads)
  } catch (error) {
    const keys = uploads.map(({ key }) => key)
    await forget(core, keys)
    throw error
  }
}

/** A picture that this account uploaded, or that was drawn for it. undefined: the account has none under that key. */
export async function ownPicture(core: Core, userId: string, key: string): Promise<Buffer | undefined> {
  const rows = await core.database.rows(sql`
    select key from uploads
    where key = ${key} and user_id = ${userId}::uuid and bytes > 0 and created_at > now() - ${keptFor}::interval
    union all
    select i.key from images i join generations g on g.id = i.generation_id
    where i.key = ${key} and g.user_id = ${userId}::uuid and g.state = 'delivered' and g.erased_at is null`)
  return rows.length > 0 ? (await core.store.get(key))?.data : undefined
}

/**
 * Part of a statement that removes what named them: from then on no request may name them, and the next sweep deletes them.
 * `keys`: a query for them.
 */
export const giveUpUploads = (keys: SQL) => sql`
  update uploads set bytes = 0, created_at = now() - ${keptFor}::interval where key in (${keys})`

const keyColumns = columnsOf({ key: uploads.key })

/** Deletes uploads older than a day, and those that a crash left half stored. The next sweep repeats what fails. */
export async function forgetOldUploads(core: Core): Promise<void> {
  // marked before their objects go, so that no request may name them; in random order, so that a failing one blocks no others
  const old = await readRows(
    core.database,
    keyColumns,
    (list) => sql`
    update uploads set bytes = 0 where key in (
      select key from uploads where created_at < now() - ${keptFor}::interval
      order by random() limit ${sweepRows} for update skip locked)
    returning ${list}`,
  )
  const keys = old.map(({ key }) => key)
  for (let start = 0; start < keys.length; start += batchSize) {
    if (!(await forget(core, keys.slice(start, start + batchSize)))) return
  }
}

/** One after the other: fourteen pictures of 16 megapixels at once would take a gigabyte. */
async function cleanAll(core: Core, sender: Sender, files: readonly Buffer[]): Promise<ImageFile[]> {
  const cleaned: ImageFile[] = []
  try {
    for (const [position, bytes] of files.entries()) cleaned.push(await cleanOne(core, bytes, position))
    return cleaned
  } catch (error) {
    // a refused upload does not count for the day, so it counts for the minute
    await slowDown(core, sender.userId, limitsFor(core, sender))
    throw error
  }
}

async function cleanOne(core: Core, bytes: Buffer, position: number): Promise<ImageFile> {
  const { uploadBytes } = core.limits
  const tooBig = () => new AppError('image_too_big', { limitMb: Math.floor(uploadBytes / megabyte), position })
  if (bytes.length > uploadBytes) throw tooBig()
  let file: ImageFile
  try {
    file = await core.images.clean(bytes)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    throw new AppError(error.kind, { ...error.data, position }, { cause: error.cause })
  }
  // encoding may have made it larger, and requests take no larger ones
  if (file.data.length > uploadBytes) throw tooBig()
  return file
}

interface StoringUpload {
  key: string
  file: ImageFile
}

/** Inserts marked rows, old enough that the sweeper soon deletes them unless they are confirmed. */
async function announce(core: Core, sender: Sender, uploads: readonly StoringUpload[]): Promise<void> {
  const rows = uploads.map(({ key, file: { type, width, height } }) => ({ key, type, width, height }))
  await core.database.db.transaction(async (tx) => {
    // counted while the account's row is locked: two concurrent uploads cannot both be the last one allowed
    await core.database.rows(sql`select id from users where id = ${sender.userId}::uuid for update`, tx)
    await assertAllowed(core, sender, uploads.length, tx)
    await core.database.rows(
      sql`
        insert into uploads (key, user_id, type, width, height, bytes, created_at)
        select p.key, ${sender.userId}::uuid, p.type, p.width, p.height, 0,
          now() - ${keptFor}::interval + ${storingFor}::interval
        from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as p(key text, type text, width int, height int)`,
      tx,
    )
  })
}

const senderColumns = columnsOf({
  ...banColumns,
  banned: typed<boolean>(banColumns.banned),
  /** Uploads of the last day. */
  sent: typed<number>(sql`(
    select count(*)::int from uploads where user_id = users.id and created_at > now() - ${keptFor}::interval)`),
})

/** Throws AppError unknown_user, banned, too_many_uploads. */
async function assertAllowed(core: Core, sender: Sender, more: number, on?: Db): Promise<void> {
  const limit = uploadsPerDay(sender)
  const [user] = await readRows(
    core.database,
    senderColumns,
    (list) => sql`select ${list} from users where id = ${sender.userId}::uuid`,
    on,
  )
  if (!user) throw new AppError('unknown_user', { user: sender.userId })
  if (user.banned) throw banError(user)
  if (user.sent + more > limit) throw new AppError('too_many_uploads', { limit })
}

/** Their objects are stored. Throws when that took so long that the sweeper has given them up. */
async function confirm(core: Core, uploads: readonly StoringUpload[]): Promise<Upload[]> {
  const rows = uploads.map(({ key, file: { data } }) => ({ key, bytes: data.length }))
  // unchecked row: an aggregate over the statement's own table
  const [confirmed] = await core.database.rows<{ count: number; createdAt: Date }>(sql`
    with confirmed as (
      update uploads u set bytes = p.bytes, created_at = now()
      from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as p(key text, bytes int)
      where u.key = p.key and u.bytes = 0 and u.created_at > now() - ${keptFor}::interval returning u.key)
    select count(*)::int as count, now() as "createdAt" from confirmed`)
  if (confirmed?.count !== uploads.length) throw new AppError('internal', {}, { cause: new Error('stored too late') })
  const { createdAt } = confirmed
  return uploads.map(({ key, file: { data, ...about } }) => ({ key, ...about, bytes: data.length, createdAt }))
}

/** Resolves to false when something is left, whose row stays until a later try. */
async function forget(core: Core, keys: readonly string[]): Promise<boolean> {
  try {
    await core.database.rows(sql`update uploads set bytes = 0 where key in (${listed(keys)})`)
    const deleted = await Promise.allSettled(keys.map((key) => core.store.delete(key)))
    const gone = keys.filter((_, position) => deleted[position]?.status === 'fulfilled')
    await core.database.rows(sql`delete from uploads where key in (${listed(gone)})`)
    const failed = deleted.find((each) => each.status === 'rejected')
    if (failed) core.log.warn({ err: failed.reason }, 'could not delete uploaded pictures; retrying later')
    return failed === undefined
  } catch (error) {
    core.log.warn({ err: error }, 'could not delete uploads; retrying later')
    return false
  }
}

const listed = (keys: readonly string[]): SQL => sql`select jsonb_array_elements_text(${JSON.stringify(keys)}::jsonb)`
