/**
 * Pictures that programs send ahead, to be named in requests later. A row is there before its object and marked until that
 * is stored, and marked again before the object goes: whatever is cut short, the sweeper finds it by its row.
 */
import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Db } from '../../db/database.ts'
import type { KeyHolder } from '../accounts/api-keys.ts'
import { assertPace, limitsFor, slowDown } from '../accounts/limits.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { objectKey } from '../generation/submit.ts'
import type { ImageFile, ImageType } from '../ports/images.ts'
import { inTurn, whileReading } from './read-inputs.ts'

export interface Upload {
  /** In the object store; only the account that sent it may name it in a request. */
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
/** Longer than any store takes: whoever was storing it has died. */
const onItsWayFor = '10 minutes'
const perDay = 200
/** The operator's programs serve many people. */
const operatorPerDay = 20_000
/** What one round of the sweeper takes away, and how much of it at the same time. */
const sweepRows = 200
const atATime = 20
const megabyte = 1024 * 1024

/** How many pictures may be sent ahead in a day. */
export const uploadsPerDay = ({ keyId }: Pick<Sender, 'keyId'>) => (keyId === null ? operatorPerDay : perDay)

/**
 * All of them, or none. Throws AppError image_type, image_unreadable, image_too_big, each with the file's number as
 * `position`, banned, too_many_uploads, too_fast, too_many_in_flight, overloaded.
 */
export async function keepUploads(core: Core, sender: Sender, files: readonly Buffer[]): Promise<Upload[]> {
  // asked first, so that nobody makes us decode what we will not keep
  await assertRoom(core, sender, files.length)
  const limits = limitsFor(core, sender)
  await assertPace(core, sender.userId, limits)
  const id = uuidv7()
  const reader = { ...limits, userId: sender.userId }
  const cleaned = await whileReading(core, reader, () => inTurn(core, () => cleanAll(core, sender, files)))
  const uploads = cleaned.map((file, position) => ({
    file,
    key: objectKey(core, 'input', id, String(position), file.type),
  }))
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

/** A picture that this account sent ahead, or that was drawn for it. undefined: it has none under that key. */
export async function ownPicture(core: Core, userId: string, key: string): Promise<Buffer | undefined> {
  const rows = await core.database.rows(sql`
    select key from uploads
    where key = ${key} and user_id = ${userId}::uuid and bytes > 0 and created_at > now() - ${keptFor}::interval
    union all
    select i.key from images i join generations g on g.id = i.generation_id
    where i.key = ${key} and g.user_id = ${userId}::uuid and g.state = 'delivered' and g.erased_at is null`)
  return rows.length > 0 ? (await core.store.get(key))?.data : undefined
}

/** Those older than a day, and those that were cut short. What fails is tried again by the next sweep. */
export async function forgetOldUploads(core: Core): Promise<void> {
  // nobody may name them any more before their objects go; in no order, so that one that always fails keeps no others
  const old = await core.database.rows<{ key: string }>(sql`
    update uploads set bytes = 0 where key in (
      select key from uploads where created_at < now() - ${keptFor}::interval
      order by random() limit ${sweepRows} for update skip locked)
    returning key`)
  const keys = old.map(({ key }) => key)
  for (let at = 0; at < keys.length; at += atATime) {
    if (!(await forget(core, keys.slice(at, at + atATime)))) return
  }
}

/** One after the other: fourteen pictures of 16 megapixels at once would be a gigabyte. */
async function cleanAll(core: Core, sender: Sender, files: readonly Buffer[]): Promise<ImageFile[]> {
  const cleaned: ImageFile[] = []
  try {
    for (const [position, bytes] of files.entries()) cleaned.push(await cleanOne(core, bytes, position))
    return cleaned
  } catch (error) {
    // what comes to nothing is not among those that are counted for a day
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
  // encoded anew it may have grown, and requests take no larger ones
  if (file.data.length > uploadBytes) throw tooBig()
  return file
}

interface Coming {
  key: string
  file: ImageFile
}

/** Rows that are marked, and so old that the sweeper takes them soon unless they are confirmed. */
async function announce(core: Core, sender: Sender, uploads: readonly Coming[]): Promise<void> {
  const rows = uploads.map(({ key, file: { type, width, height } }) => ({ key, type, width, height }))
  await core.database.db.transaction(async (tx) => {
    // counted while the account's row is locked: two at once cannot both be the last
    await core.database.rows(sql`select id from users where id = ${sender.userId}::uuid for update`, tx)
    await assertRoom(core, sender, uploads.length, tx)
    await core.database.rows(
      sql`
        insert into uploads (key, user_id, type, width, height, bytes, created_at)
        select p.key, ${sender.userId}::uuid, p.type, p.width, p.height, 0,
          now() - ${keptFor}::interval + ${onItsWayFor}::interval
        from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as p(key text, type text, width int, height int)`,
      tx,
    )
  })
}

async function assertRoom(core: Core, sender: Sender, more: number, on?: Db): Promise<void> {
  const limit = uploadsPerDay(sender)
  const [user] = await core.database.rows<{ banned: boolean; sent: number }>(
    sql`
      select banned, (
        select count(*)::int from uploads
        where user_id = u.id and created_at > now() - ${keptFor}::interval) as sent
      from users u where id = ${sender.userId}::uuid`,
    on,
  )
  if (!user) throw new AppError('unknown_user', { user: sender.userId })
  if (user.banned) throw new AppError('banned')
  if (user.sent + more > limit) throw new AppError('too_many_uploads', { limit })
}

/** Their objects are stored. Throws when it took so long that the sweeper has given them up. */
async function confirm(core: Core, uploads: readonly Coming[]): Promise<Upload[]> {
  const rows = uploads.map(({ key, file: { data } }) => ({ key, bytes: data.length }))
  const [confirmed] = await core.database.rows<{ count: number; createdAt: Date }>(sql`
    with confirmed as (
      update uploads u set bytes = p.bytes, created_at = now()
      from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as p(key text, bytes int)
      where u.key = p.key and u.bytes = 0 and u.created_at > now() - ${keptFor}::interval returning u.key)
    select count(*)::int as count, now() as "createdAt" from confirmed`)
  if (confirmed?.count !== uploads.length) throw new AppError('internal', {}, { cause: new Error('stored too late') })
  const { createdAt } = confirmed
  return uploads.map(({ key, file: { data, type, width, height } }) => ({
    key,
    type,
    width,
    height,
    bytes: data.length,
    createdAt,
  }))
}

/** False: something is left, whose row stays until a later try. */
async function forget(core: Core, keys: readonly string[]): Promise<boolean> {
  try {
    const marked = sql`key in (select jsonb_array_elements_text(${JSON.stringify(keys)}::jsonb))`
    await core.database.rows(sql`update uploads set bytes = 0 where ${marked}`)
    const deleted = await Promise.allSettled(keys.map((key) => core.store.delete(key)))
    const gone = keys.filter((_, at) => deleted[at]?.status === 'fulfilled')
    await core.database.rows(
      sql`delete from uploads where key in (select jsonb_array_elements_text(${JSON.stringify(gone)}::jsonb))`,
    )
    const failed = deleted.find((each) => each.status === 'rejected')
    if (failed) core.log.warn({ err: failed.reason }, 'pictures sent ahead could not be deleted; that is tried again')
    return failed === undefined
  } catch (error) {
    core.log.warn({ err: error }, 'pictures sent ahead could not be forgotten; that is tried again')
    return false
  }
}
