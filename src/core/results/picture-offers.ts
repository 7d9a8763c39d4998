/**
 * Pictures that people send without words, kept until they choose what to do with them. Nothing is paid before that. The picture is
 * an upload, so its buttons work in every process and after a restart, until the upload goes.
 */
import { eq, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { pictureOffers } from '../../db/schema/drafts.ts'
import { accountOf } from '../accounts/accounts.ts'
import { takePace } from '../accounts/limits.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Quoted } from '../generation/result-buttons.ts'
import { isId } from '../ids.ts'
import { readInputs, withReservation } from '../media/read-inputs.ts'
import { giveUpUploads, keptHours, ownPicture, storeCleaned } from '../media/uploads.ts'
import type { Attachment, Call } from '../ports/chat.ts'

export interface PictureOffer {
  id: string
  picture: Attachment
  width: number
  height: number
  /** Prices that its buttons show, by action. */
  quoted: Quoted
}

/** Uploads are kept a little longer, so that a picture is there for as long as its buttons work. */
export const offerHours = keptHours - 1

/** Counts towards the account's requests per minute. Throws AppError banned, too_fast, and the errors of unusable pictures. */
export async function keepPicture(
  core: Core,
  { key, from }: Pick<Call, 'key' | 'from'>,
  picture: Attachment,
): Promise<PictureOffer> {
  const userId = await accountOf(core, from)
  const before = await find(core, eq(pictureOffers.key, key))
  if (before) return offerOf(core, before)
  await takePace(core, userId, core.limits)
  const files = await withReservation(core, { ...core.limits, userId }, (room) => readInputs(core, room, [picture]))
  // not the operator's key, so that the limits for people apply
  const [upload] = await storeCleaned(core, { userId, keyId: 'chat' }, files)
  if (!upload) throw new AppError('image_unreachable')
  await core.database.rows(sql`
    insert into picture_offers (id, key, user_id, image, width, height, expires_at)
    values (${uuidv7()}::uuid, ${key}, ${userId}::uuid, ${upload.key}, ${upload.width}::int, ${upload.height}::int,
      now() + make_interval(hours => ${offerHours}::int))
    on conflict (key) do nothing`)
  const saved = await find(core, eq(pictureOffers.key, key))
  if (!saved) throw new AppError('offer_over')
  return offerOf(core, saved)
}

/** Throws AppError offer_over when it has expired, and not_yours when it is another person's. */
export async function readOffer(core: Core, { from }: Pick<Call, 'from'>, id: string): Promise<PictureOffer> {
  const row = isId(id) ? await find(core, eq(pictureOffers.id, id)) : undefined
  if (!row) throw new AppError('offer_over')
  if (row.userId !== (await accountOf(core, from))) throw new AppError('not_yours')
  return offerOf(core, row)
}

/** Its buttons show these prices from now on. */
export async function showOfferPrices(core: Core, id: string, prices: Quoted): Promise<void> {
  await core.database.rows(
    sql`update picture_offers set quoted = ${JSON.stringify(prices)}::jsonb where id = ${id}::uuid`,
  )
}

/** Removes offers with their pictures once they have expired. */
export async function forgetOldOffers(core: Core): Promise<void> {
  await core.database.rows(sql`
    with expired as (delete from picture_offers where expires_at < now() returning image)
    ${giveUpUploads(sql`select image from expired`)}`)
}

type Row = typeof pictureOffers.$inferSelect

async function find(core: Core, which: ReturnType<typeof eq>): Promise<Row | undefined> {
  const [row] = await core.database.db
    .select()
    .from(pictureOffers)
    .where(sql`${which} and ${pictureOffers.expiresAt} > now()`)
  return row
}

const offerOf = (core: Core, { id, userId, image, width, height, quoted }: Row): PictureOffer => ({
  id,
  width,
  height,
  quoted: quoted as Quoted,
  picture: {
    name: image,
    load: async () => {
      const data = await ownPicture(core, userId, image)
      if (!data) throw new AppError('offer_over')
      return data
    },
  },
})
