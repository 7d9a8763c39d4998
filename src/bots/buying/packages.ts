/** The packages of credits as buttons, and the invoice of one of them. They are for the person alone. */
import { accountOf } from '../../core/accounts/accounts.ts'
import { orderPackage, type Package, packagesForSale } from '../../core/billing/packages.ts'
import { pricedSkus } from '../../core/billing/shop/skus.ts'
import { button } from '../../core/chats/buttons.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import type { Button, Call } from '../../core/ports/chat.ts'
import type { Words } from '../../locales/index.ts'
import type { Answer } from '../command.ts'

/** The ref of a button that shows all packages. No package has such an id. */
const allRef = 'all-packages'

/** Of the word behind `?start=` in a link, and of an invoice's `start_parameter`. */
const startPrefix = 'buy_'

interface Asking {
  core: Core
  call: Call
  words: Words
}

/** Discord's limit for a row. */
const buttonsInRow = 5

/** Buttons that show what is for sale on this surface: all packages, or each item of the platform's own shop. */
export async function buyButtons(core: Core, { surface }: Pick<Call, 'surface'>): Promise<Button[][]> {
  const { payments, shop } = core.surfaces.get(surface) ?? {}
  if (payments) return (await packagesForSale(core)).length > 0 ? [[button('buy', allRef)]] : []
  const items = shop ? (await pricedSkus(core)).filter(({ available }) => available) : []
  const buttons = items.map(({ id }) => button('buy', id, { item: id }))
  const rows = Array.from({ length: Math.ceil(buttons.length / buttonsInRow) })
  return rows.map((_, row) => buttons.slice(row * buttonsInRow, (row + 1) * buttonsInRow))
}

/** `wanted`: a package by its id, or by its place in the list. Absent: the list. Throws AppError package_over. */
export async function offerPackages(asking: Asking, wanted?: string): Promise<Answer> {
  const { core, call, words } = asking
  const offered = await packagesForSale(core)
  if (wanted === undefined || wanted === allRef) return listOf(asking, offered)
  const chosen = offered.find(({ id }) => id === wanted.toLowerCase()) ?? offered[Number(wanted) - 1]
  if (!chosen) throw new AppError('package_over')
  const order = await orderPackage(core, await accountOf(core, call.from), chosen)
  const title = words.shop.title(chosen.credits)
  const invoice = {
    order,
    title,
    description: words.shop.about(chosen.credits),
    stars: chosen.stars,
    start: `${startPrefix}${chosen.id}`,
  }
  const content = { kind: 'text', text: title } as const
  return { locale: call.locale, state: 'info', content, invoice, private: true, confidential: true }
}

function listOf({ call, words }: Asking, offered: readonly Package[]): Answer {
  const text = offered.length === 0 ? words.shop.none : words.shop.list
  const buttons = offered.map(({ id, credits, stars }) => [button('buy', id, { sale: { credits, stars } })])
  return {
    locale: call.locale,
    // it asks, so that it is a message and no toast where it answers a press
    state: 'asking',
    content: { kind: 'text', text },
    ...(offered.length > 0 && { buttons }),
    private: true,
    confidential: true,
  }
}
