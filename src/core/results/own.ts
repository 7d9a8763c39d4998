/** Results that commands name by id. */
import { accountOf } from '../accounts/accounts.ts'
import type { Core } from '../core.ts'
import { readKept, type StoredResult, withPictures } from '../generation/result.ts'
import { findRequest } from '../ids.ts'
import type { Identity } from '../ports/chat.ts'

/** By its id or short id. Throws AppError pictures_expired, and unknown_request when the person has no such result. */
export async function ownResult(core: Core, from: Identity, written: string): Promise<StoredResult> {
  const id = await findRequest(core, await accountOf(core, from), written)
  return withPictures(core, id === undefined ? undefined : await readKept(core, id), 'unknown_request')
}
