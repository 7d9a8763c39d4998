/** The buttons under a result. This is the one list of them, for every surface. */
import type { Json } from '../../db/json.ts'
import type { Size } from '../billing/quote.ts'
import { button } from '../chats/buttons.ts'
import type { Core } from '../core.ts'
import type { Button, ButtonRows } from '../ports/chat.ts'
import type { Act, PictureRequest } from '../ports/models.ts'
import { continuationOf, enlargementOf, hasRemix, rerollOf, variationOf } from '../results/again.ts'
import { canDescribe } from '../results/describe.ts'
import { proposeEdit } from './edit.ts'

/**
 * Prices in credits, by action, that the buttons of a result show to everyone. The database also keeps prices that a form or a
 * refusal showed to one person (quotes.ts).
 */
export type Quoted = Readonly<Record<string, number>>

interface Drawn {
  id: string
  /** Id of the model that drew it. */
  model: string
  provider: string
  ticket: Json | null
  request: PictureRequest
  inputs?: readonly Size[]
}

interface Offer {
  action: string
  /** Buttons of one group stand together, in the order of `groups`. */
  group: Group
  /** One for each picture. */
  each?: boolean
  style?: Button['style']
  /** Credits that a press costs. undefined: it is not offered for this result. */
  price(core: Available, result: Drawn & { pictures: readonly Size[] }): number | undefined
}

type Available = Pick<Core, 'models' | 'providers' | 'enhancer' | 'enhanceByDefault'>
type Group = (typeof groups)[number]

/** 'each' and 'enlarge' have buttons below several pictures, 'zoom' and 'pan' below one, so that there are five rows at most. */
const groups = ['draw', 'each', 'enlarge', 'zoom', 'pan', 'keep', 'end'] as const
/** Discord allows five buttons in a row and five rows, so pictures after the first `mostNumbered` have no buttons of their own. */
const mostInRow = 5
const mostNumbered = 5

const free = () => 0

/** A button for what the provider does further with a single picture. */
const continuing = (action: Act, group: Group): Offer => ({
  action,
  group,
  price: (core, drawn) => (drawn.pictures.length > 1 ? undefined : continuationOf(core, drawn, action)?.price),
})

/** To add a button, add a line here and an action of that name. A group has at most five. */
const offers: readonly Offer[] = [
  { action: 'reroll', group: 'draw', price: (core, drawn) => rerollOf(core, drawn)?.price },
  { action: 'vary', group: 'each', each: true, price: (core, drawn) => variationOf(core, drawn)?.price },
  { action: 'edit', group: 'draw', price: (core, drawn) => proposeEdit(core, drawn)?.price },
  { action: 'remix', group: 'draw', price: (core, drawn) => (hasRemix(core, drawn) ? 0 : undefined) },
  { action: 'upscale', group: 'enlarge', each: true, price: (core, drawn) => enlargementOf(core, drawn)?.price },
  continuing('zoomoutless', 'zoom'),
  continuing('zoomout', 'zoom'),
  continuing('panleft', 'pan'),
  continuing('panright', 'pan'),
  continuing('panup', 'pan'),
  continuing('pandown', 'pan'),
  { action: 'original', group: 'keep', price: free },
  { action: 'favourite', group: 'keep', price: free },
  { action: 'up', group: 'keep', price: free },
  { action: 'down', group: 'keep', price: free },
  {
    action: 'describe',
    group: 'end',
    price: (core, drawn) => (drawn.pictures.length === 1 && canDescribe(core) ? 0 : undefined),
  },
  { action: 'report', group: 'end', price: free },
  { action: 'delete', group: 'end', style: 'danger', price: free },
]

/** `pictures`: those of the result. */
export function resultButtons(core: Available, drawn: Drawn, pictures: readonly Size[]) {
  const offered = offers.flatMap((offer) => {
    const price = offer.price(core, { ...drawn, pictures })
    return price === undefined ? [] : [{ ...offer, price }]
  })
  const rows = groups.flatMap((group) => {
    const inGroup = offered.filter((offer) => groupOf(offer, pictures.length) === group)
    return inRows(inGroup.flatMap((offer) => buttonsFor(drawn.id, offer, pictures.length)))
  })
  const paid = offered.filter(({ price }) => price > 0)
  const quoted: Quoted = Object.fromEntries(paid.map(({ action, price }) => [action, price]))
  return { rows, quoted }
}

/** A single picture needs no row of its own. */
const groupOf = ({ group, each }: Pick<Offer, 'group' | 'each'>, pictures: number): Group =>
  each && pictures === 1 ? 'draw' : group

function buttonsFor(
  id: string,
  { action, each, price, style }: Omit<Offer, 'price'> & { price: number },
  pictures: number,
) {
  const look = { ...(price > 0 && { price }), ...(style && { style }) }
  if (!each || pictures === 1) return [button(action, id, look)]
  const numbers = Array.from({ length: Math.min(pictures, mostNumbered) }, (_, index) => index + 1)
  return numbers.map((number) => button(action, id, { ...look, number }))
}

function inRows(buttons: readonly Button[]): ButtonRows {
  const starts = Array.from({ length: Math.ceil(buttons.length / mostInRow) }, (_, row) => row * mostInRow)
  return starts.map((start) => buttons.slice(start, start + mostInRow))
}

/** Asks for confirmation before a result is deleted for good; they replace its other buttons. */
export const deletionButtons = (id: string): ButtonRows => [
  [button('erase', id, { style: 'danger' }), button('keep', id)],
]
