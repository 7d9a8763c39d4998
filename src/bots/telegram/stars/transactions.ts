/** Telegram's list of the bot's Star transactions: the payments of invoices, and their refunds. */
import type { StarTransaction, User } from 'grammy/types'

export interface ListedPayment {
  /** Telegram's id of the charge. */
  charge: string
  /** Payload of the invoice. Absent: Telegram does not say. */
  order: string | undefined
  isRefund: boolean
  payer: User
  amount: number
}

/** Others are withdrawals, gifts and the like. */
export function paymentsIn(transactions: readonly StarTransaction[]): ListedPayment[] {
  return transactions.flatMap(({ id: charge, amount, source, receiver }) => {
    const partner = source ?? receiver
    if (partner?.type !== 'user' || partner.transaction_type !== 'invoice_payment') return []
    return { charge, order: partner.invoice_payload, isRefund: source === undefined, payer: partner.user, amount }
  })
}
