/** The button that deletes an account works for its owner alone, for a while, in every process: its ref is signed and needs no row. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'

type Signer = Pick<Core, 'secretKey'>

const validMs = 10 * 60_000
const form = /^([0-9a-z]{1,12})\.([\w-]{22})$/

export const confirmationMinutes = validMs / 60_000

/** The ref of the button. */
export function confirmationFor(signer: Signer, userId: string): string {
  const expires = (Date.now() + validMs).toString(36)
  return `${expires}.${signature(signer, userId, expires)}`
}

/** Throws AppError confirmation_over, or not_yours if it was made for another account. */
export function assertConfirmed(signer: Signer, userId: string, ref: string): void {
  const [, expires = '', given = ''] = form.exec(ref) ?? []
  const expected = Buffer.from(signature(signer, userId, expires))
  const presented = Buffer.from(given)
  if (presented.length !== expected.length || !timingSafeEqual(presented, expected)) throw new AppError('not_yours')
  if (Number.parseInt(expires, 36) < Date.now()) throw new AppError('confirmation_over')
}

const signature = ({ secretKey }: Signer, userId: string, expires: string) =>
  createHmac('sha256', secretKey).update(`close account ${userId} ${expires}`).digest('base64url').slice(0, 22)
