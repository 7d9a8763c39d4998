/** Service messages about payments, which arrive in the chat of the invoice. */
import type { Message, Update, User } from 'grammy/types'
import type { Call } from '../../../core/ports/chat.ts'
import { localeOf } from '../../../locales/index.ts'
import { toAddress } from '../address.ts'
import { identityOf, placeOf } from './people.ts'

/** Of a service message, or of a transaction in Telegram's list. */
export interface Reported {
  /** Telegram's id of the charge. */
  charge: string
  /** The payload of the invoice. */
  order: string
  isRefund: boolean
}

export function reportedIn(message: Message | undefined): Reported | undefined {
  const { successful_payment: paid, refunded_payment: refunded } = message ?? {}
  const about = paid ?? refunded
  return (
    about && { charge: about.telegram_payment_charge_id, order: about.invoice_payload, isRefund: paid === undefined }
  )
}

/**
 * Names a payment or refund by its charge, not by its update: Telegram may report it in several updates, and the reconciliation reports it
 * once more. All reports of one charge share a lane, so a payment is handled before its refund.
 */
export const nameOfReport = ({ charge, isRefund }: Reported) => ({
  name: `${isRefund ? 'refund' : 'payment'}:${charge}`,
  lane: `payment ${charge}`,
})

/** undefined: it is about no payment. */
export function callOfPayment(message: Message): Call | undefined {
  const reported = reportedIn(message)
  if (!reported) return undefined
  const { chat } = message
  // Telegram does not promise who sends the message about a refund; a private chat has the id of the person
  const person: User | undefined = chat.type === 'private' ? { ...message.from, ...chat, is_bot: false } : message.from
  if (!person) return undefined
  return {
    key: `telegram:${nameOfReport(reported).name}`,
    surface: 'telegram',
    address: toAddress({ kind: 'chat', chatId: chat.id }),
    from: identityOf(person),
    place: placeOf(chat),
    locale: localeOf(message.from?.language_code),
    act: { kind: 'payment', ...reported },
    images: [],
    isPrivate: chat.type === 'private',
  }
}

/** The update that would have reported it. */
export function updateFor({ charge, order, isRefund }: Reported, payer: User, amount: number): Update {
  const about = {
    currency: 'XTR',
    total_amount: amount,
    invoice_payload: order,
    telegram_payment_charge_id: charge,
    provider_payment_charge_id: '',
  } as const
  const { id, first_name, last_name, username } = payer
  const chat = { id, type: 'private', first_name, last_name, username } as const
  const message = { message_id: 0, date: 0, chat, from: payer }
  const report = isRefund ? { refunded_payment: about } : { successful_payment: about }
  return { update_id: 0, message: { ...message, ...report } } as Update
}
