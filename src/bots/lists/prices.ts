/** What requests for a model are charged for, in words. */
import { boundOf, mainPart, partsOf, priceOfPart } from '../../core/billing/quote.ts'
import type { Model, PricedPart } from '../../core/ports/models.ts'
import type { Words } from '../../locales/index.ts'

export const partLabel = (words: Words, part: PricedPart) => words.prices.parts[part](boundOf(part))

/** The parts that cost more or less than a usual picture. undefined: there are none. */
export function otherPrices(words: Words, model: Model): string | undefined {
  const usual = mainPart(model)
  const others = partsOf(model).filter((part) => {
    if (part === usual) return false
    return priceOfPart(model, part) !== (part === 'input' || part === 'enhance' ? 0 : model.price)
  })
  if (others.length === 0) return undefined
  return words.prices.others(others.map((part) => words.priced(partLabel(words, part), priceOfPart(model, part))))
}
