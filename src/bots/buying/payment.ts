/**
 * A payment or a refund that the platform reports: moves the credits and tells the person. The inbox stores each report once and brings it
 * again until this resolves. A crash may repeat the message, but never the credits.
 */
import { readSettings } from '../../core/accounts/settings.ts'
import { type Charge, payOrder, refundPayment } from '../../core/billing/orders.ts'
import { noteReturned } from '../../core/billing/payments.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import type { Call } from '../../core/ports/chat.ts'
import type { Payment } from '../../core/ports/payments.ts'
import { type Words, wordsFor } from '../../locales/index.ts'

/** Rejects if it has to be done again. */
export async function receivePayment(core: Core, call: Call, { order, charge: id, isRefund }: Payment): Promise<void> {
  const { chosen } = await readSettings(core, call)
  const locale = chosen.language ?? call.locale
  const report: Report = { core, call, words: wordsFor(locale), order, id, charge: `${call.surface}:${id}` }
  const text = isRefund ? await refunded(report) : await paid(report)
  if (text === undefined) return
  const surface = core.surfaces.get(call.surface)
  try {
    await surface?.post(call.address, { locale, state: 'info', content: { kind: 'text', text }, private: true })
  } catch (error) {
    if (!(error instanceof AppError) || error.kind !== 'chat_refused') throw error
    core.log.info({ charge: report.charge }, 'the chat of a buyer takes no messages')
  }
}

interface Report {
  core: Core
  call: Call
  words: Words
  order: string
  /** The platform's id of the charge. */
  id: string
  charge: Charge
}

/** undefined: the payment is refunded already, which has a message of its own. */
async function paid({ core, call, words, order: orderId, id, charge }: Report): Promise<string | undefined> {
  try {
    const { refunded: isRefunded, ...granted } = await payOrder(core, { charge, orderId })
    return isRefunded ? undefined : words.shop.paid(granted)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    if (error.kind === 'account_closed') {
      // the account was deleted while the person paid: nothing could be given
      await core.surfaces.get(call.surface)?.payments?.refund(id, [call.from.id])
      await noteReturned(core, { charge, orderId })
      return words.shop.returned
    }
    if (error.kind !== 'unknown_order') throw error
    core.log.warn({ charge }, 'a payment belongs to no order, so nothing was granted')
    return words.shop.unmatched(charge)
  }
}

/** undefined: nothing was granted for it. */
async function refunded({ core, words, order: orderId, charge }: Report): Promise<string | undefined> {
  try {
    // the report of the payment may be lost
    await payOrder(core, { charge, orderId }).catch(ignoreOwn)
    const { credits, balance, debt } = await refundPayment(core, { charge })
    return [words.shop.refunded({ credits, balance }), ...(debt > 0 ? [words.wallet.debt(debt)] : [])].join('\n')
  } catch (error) {
    if (!(error instanceof AppError) || error.kind !== 'unknown_payment') throw error
    core.log.info({ charge }, 'a refund belongs to no payment, so nothing was taken back')
    return undefined
  }
}

/** Without a payment there is nothing to take back, which the next step finds out. */
function ignoreOwn(error: unknown): void {
  if (!(error instanceof AppError)) throw error
}
