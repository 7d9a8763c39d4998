/** Results that commands name by id. */
import { accountOf } from '../accounts/accounts.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { readResult, type StoredResult } from '../generation/result.ts'
import { findRequest } from '../ids.ts'
import type { Identity } from '../ports/chat.ts'

/** By its id or short id. Throws AppError unknown_request when the person has no such result. */
export async function ownResult(core: Core, from: Identity, written: string): Promise<StoredResult> {
  const id = await findRequest(core, await accountOf(core, from), written)
  const result = id === undefined ? undefined : await readResult(core, id)
  if (!result) throw new AppError('unknown_request')
  return result
}
