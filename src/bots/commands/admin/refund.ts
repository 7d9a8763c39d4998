/** `/refund telegram:<charge>`: takes back the credits of a refunded payment. `/refund <request id>`: gives back what a request cost. */
import { refundRequest } from '../../../core/billing/adjust.ts'
import { type Charge, isCharge, refundPayment } from '../../../core/billing/orders.ts'
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

async function ofPayment({ core, call, words }: Asking, charge: Charge): Promise<string> {
  const refunded = await refundPayment(core, { charge, by: { actor: call.from.id, key: call.key } })
  return words.wallet.paymentRefunded({ charge, ...refunded })
}

async function ofRequest({ core, call, words }: Asking, written: string): Promise<string> {
  const id = await findAnyRequest(core, written)
  if (id === undefined) throw new AppError('unknown_request')
  const refunded = await refundRequest(core, { id, actor: call.from.id, key: call.key })
  return words.wallet.requestRefunded({ id: shortId(id), ...refunded })
}
