/** `/refund telegram:<charge>`: gives the money of a payment back, and takes its credits back. `/refund <request id>`: gives back what a request cost. */
import { refundRequest } from '../../../core/billing/adjust.ts'
import { type Charge, isCharge, noteRefund, refundPayment } from '../../../core/billing/orders.ts'
import { payersOf } from '../../../core/billing/payments.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import { findAnyRequest, shortId } from '../../../core/ids.ts'
import type { Call } from '../../../core/ports/chat.ts'
import type { Words } from '../../../locales/index.ts'
import { defineCommand } from '../../command.ts'

export const refundCommand = defineCommand({
  name: 'refund',
  needs: 'admin',
  audience: 'private',
  options: { id: { type: 'text', required: true } },
  async run({ core, call, words, values: { id } }) {
    const text = isCharge(id) ? await ofPayment({ core, call, words }, id) : await ofRequest({ core, call, words }, id)
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})

interface Asking {
  core: Core
  call: Call
  words: Words
}

/**
 * The money first: the platform reports a refund, and lists it, so that the credits are also taken back if this process dies in between.
 * Platforms without payments have given the money back already.
 */
async function ofPayment({ core, call, words }: Asking, charge: Charge): Promise<string> {
  const [platform = '', ...id] = charge.split(':')
  const by = { actor: call.from.id, key: call.key }
  const payments = core.surfaces.get(platform)?.payments
  const isNow = (await payments?.refund(id.join(':'), await payersOf(core, charge))) ?? false
  try {
    const refunded = await refundPayment(core, { charge, by })
    return words.wallet.paymentRefunded({ charge, ...refunded, fresh: isNow || refunded.fresh })
  } catch (error) {
    // a payment without an order gave no credits
    if (!payments || !(error instanceof AppError) || error.kind !== 'unknown_payment') throw error
    await noteRefund(core, { charge, by })
    return words.wallet.moneyRefunded({ charge, fresh: isNow })
  }
}

async function ofRequest({ core, call, words }: Asking, written: string): Promise<string> {
  const id = await findAnyRequest(core, written)
  if (id === undefined) throw new AppError('unknown_request')
  const refunded = await refundRequest(core, { id, actor: call.from.id, key: call.key })
  return words.wallet.requestRefunded({ id: shortId(id), ...refunded })
}
