/** A picture without words: the answer offers what can be done with it, and its price. */
import { quote, type Size } from '../../core/billing/quote.ts'
import { button } from '../../core/chats/buttons.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import type { Quoted } from '../../core/generation/result-buttons.ts'
import type { ButtonRows, Call } from '../../core/ports/chat.ts'
import { chooseModel } from '../../core/request/choose-model.ts'
import { keepPicture, type PictureOffer, showOfferPrices } from '../../core/results/picture-offers.ts'
import type { Answer, Asked } from '../command.ts'
import { readRequest } from '../commands/flux.ts'

/** Whether a call is a picture and nothing else, on a surface that asks what to do with it. */
export function isPictureAlone(core: Core, { act, images, place, surface }: Call): boolean {
  const isAlone = act.kind === 'message' && act.text === '' && images.length === 1 && !images[0]?.shownIn
  return isAlone && !place.group && core.surfaces.get(surface)?.asksAboutPictures === true
}

/** undefined: nothing can be done with a picture here, so it is refused as a request without words. */
export async function offerFor(asked: Asked<unknown>): Promise<Answer | undefined> {
  const { core, call, words, images } = asked
  const [picture] = images
  if (!picture || offersOf(asked).length === 0) return undefined
  const offer = await keepPicture(core, call, picture)
  return {
    locale: call.locale,
    state: 'info',
    content: { kind: 'text', text: words.photos.offered },
    buttons: await buttonsWithPrices(asked, offer),
  }
}

/** From now on the buttons promise these prices. */
export async function buttonsWithPrices(asked: Asked<unknown>, offer: PictureOffer): Promise<ButtonRows> {
  const offers = offersOf(asked, offer)
  const prices: Quoted = Object.fromEntries(offers.map(({ action, price }) => [action, price]))
  await showOfferPrices(asked.core, offer.id, prices)
  return [offers.map(({ action, price }) => button(action, offer.id, price > 0 ? { price } : {}))]
}

type Asking = Pick<Asked<unknown>, 'core' | 'settings'>

/** `prompt` absent: a variation. */
export const requestOf = ({ core, settings }: Asking, prompt?: string) =>
  readRequest(core, { values: { prompt }, images: 1, set: settings.chosen })

export const enlargementFor = (core: Core) => ({
  chosen: chooseModel(core, { name: 'upscale', images: 1, words: false }),
  params: { prompt: '' },
})

/** For a price: any words cost the same. */
const someWords = 'x'

/** Without `size`, only to find out whether there is an offer at all. */
function offersOf(asking: Asking, size?: Size) {
  const { core } = asking
  const prices: [action: string, price: number | undefined][] = [
    ['varyphoto', priced(() => priceFor(core, requestOf(asking), size))],
    ['editphoto', priced(() => priceFor(core, requestOf(asking, someWords), size))],
    ['enlargephoto', priced(() => priceFor(core, enlargementFor(core), size))],
    ['describephoto', core.enhancer?.describe ? 0 : undefined],
  ]
  return prices.flatMap(([action, price]) => (price === undefined ? [] : [{ action, price }]))
}

type Wanted = Pick<ReturnType<typeof requestOf>, 'chosen' | 'params'>

const priceFor = (core: Core, { chosen, params }: Wanted, input: Size | undefined) =>
  quote(core, { chosen, params, images: 1, input }).price

/** undefined: no configured model can do it. */
function priced(price: () => number): number | undefined {
  try {
    return price()
  } catch (error) {
    if (error instanceof AppError) return undefined
    throw error
  }
}
