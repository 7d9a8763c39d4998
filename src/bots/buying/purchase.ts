/**
 * A purchase in the shop of a platform, or its refund: moves the credits and tells the person. The platform may report it several
 * times; it has one effect. The inbox retries it until this resolves.
 */
import { readSettings } from '../../core/accounts/settings.ts'
import type { Charge, Paid } from '../../core/billing/orders.ts'
import { noteAnnounced, payPurchase, refundPurchase } from '../../core/billing/shop/purchases.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import type { Call } from '../../core/ports/chat.ts'
import type { Purchase } from '../../core/ports/payments.ts'
import { type Words, wordsFor } from '../../locales/index.ts'

/** Rejects if the inbox has to retry it. */
export async function receivePurchase(core: Core, call: Call, act: Purchase): Promise<void> {
  const name = (id: string): Charge => `${call.surface}:${id}`
  if (act.isRefund) {
    const refunded = await refundPurchase(core, name(act.purchase))
    if (!refunded || refunded.announced === 'refunded') return
    return announce(core, call, {
      charge: refunded.charge,
      announced: 'refunded',
      text: (words) => refundText(words, refunded),
    })
  }
  const { item } = act
  const charge = name(act.charge)
  const paid = await payPurchase(core, { purchase: name(act.purchase), charge, item, buyer: call.from })
  if (!paid || paid.refunded || paid.announced !== null) return
  return announce(core, call, { charge, announced: 'paid', text: ({ shop }) => shop.paid(paid) })
}

function refundText({ shop, wallet }: Words, { credits, balance, debt }: Paid): string {
  return [shop.refunded({ credits, balance }), ...(debt > 0 ? [wallet.debt(debt)] : [])].join('\n')
}

interface Announcement {
  charge: Charge
  announced: 'paid' | 'refunded'
  text(words: Words): string
}

async function announce(core: Core, call: Call, { charge, announced, text }: Announcement): Promise<void> {
  const { chosen } = await readSettings(core, call)
  const locale = chosen.language ?? call.locale
  const content = { kind: 'text', text: text(wordsFor(locale)) } as const
  try {
    await core.surfaces.get(call.surface)?.post(call.address, { locale, state: 'info', content, private: true })
  } catch (error) {
    if (!(error instanceof AppError) || error.kind !== 'chat_refused') throw error
    core.log.info({ charge }, 'the chat of a buyer takes no messages')
  }
  await noteAnnounced(core, charge, announced)
}
