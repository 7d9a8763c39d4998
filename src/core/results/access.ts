/** Who may do something with a request. For people who may not see it, it does not exist. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import { accountOf } from '../accounts/accounts.ts'
import type { ActOnRequest } from '../accounts/audit.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { readKept, readResult, type StoredResult } from '../generation/result.ts'
import { findSent } from '../generation/sent-messages.ts'
import { callHash, isId } from '../ids.ts'
import type { Call, MessageName } from '../ports/chat.ts'
import { isFavourite } from './reactions.ts'

type Viewer = Pick<Call, 'from' | 'surface' | 'place'> & { on?: MessageName }

const columns = columnsOf({
  userId: generations.userId,
  private: generations.private,
  erased: typed<boolean>(sql`erased_at is not null`),
})

/**
 * Throws AppError not_yours for people other than the asker and admins; unknown_button if it does not exist or is another's private
 * one. For the asker and admins an erased one still exists, because the press that erased it may be handled twice.
 */
export async function assertAsker(core: Core, { from }: Pick<Call, 'from'>, id: string): Promise<void> {
  const [request] = isId(id)
    ? await readRows(core.database, columns, (list) => sql`select ${list} from generations where id = ${id}::uuid`)
    : []
  if (!request) throw new AppError('unknown_button')
  if (request.userId === (await accountOf(core, from))) return
  if (request.private) throw new AppError('unknown_button')
  if (!core.isAdmin(from.id)) throw new AppError(request.erased ? 'unknown_button' : 'not_yours')
}

/**
 * Throws AppError unknown_button for people other than the asker and, unless it is private, people in a chat that shows it or who
 * keep it as a favourite, and admins.
 */
export async function assertViewer(core: Core, viewer: Viewer, id: string): Promise<void> {
  const result = await readKept(core, id)
  if (!result || !(await maySee(core, viewer, result))) throw new AppError('unknown_button')
}

/** For the audit log: only an administrator may act on the request of another person. */
export const actBy = async (core: Core, { from, key }: Pick<Call, 'from' | 'key'>): Promise<ActOnRequest> => ({
  actor: from.id,
  key: callHash(core, key),
  userId: await accountOf(core, from),
})

async function maySee(core: Core, { from, surface, place, on }: Viewer, result: StoredResult): Promise<boolean> {
  const userId = await accountOf(core, from)
  if (result.userId === userId) return true
  if (result.private) return false
  if (core.isAdmin(from.id)) return true
  if (result.surface === surface && result.channel === place.channel) return true
  // it may have been shown again in another chat
  if ((await shownBy(core, surface, on))?.id === result.id) return true
  return isFavourite(core, { userId, generationId: result.id })
}

/** The picture of a result that a message of ours shows. undefined: it shows none, or one that this person may not see. */
export async function shownTo(
  core: Core,
  { from, surface }: Pick<Call, 'from' | 'surface'>,
  { message, index }: { message: MessageName; index: number },
): Promise<{ result: StoredResult; number: number } | undefined> {
  const sent = await shownBy(core, surface, message)
  const result = sent && (await readResult(core, sent.id))
  if (!sent || !result) return undefined
  const count = result.pictures.length
  // original files follow the pictures
  const position = sent.part < count ? sent.part + index : sent.part - count
  if (!result.pictures[position]) return undefined
  if (result.private && result.userId !== (await accountOf(core, from))) return undefined
  return { result, number: position + 1 }
}

const shownBy = async (core: Core, surface: string, message: MessageName | undefined) =>
  message === undefined ? undefined : findSent(core, surface, message)
