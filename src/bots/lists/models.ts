/**
 * Every model that can be used, with its price and what it takes. `/models` and its buttons show pages of it, and make a model
 * the person's default.
 */
import { type InForce, isAllowed, usualModel } from '../../core/accounts/settings.ts'
import { button } from '../../core/chats/buttons.ts'
import type { Core } from '../../core/core.ts'
import type { Locale } from '../../core/ports/chat.ts'
import { type Model, numberParams, type Range, type Takes } from '../../core/ports/models.ts'
import { isSetUp } from '../../core/request/check.ts'
import { listed, offeredAspects } from '../../core/request/choose-model.ts'
import { flagSpellings } from '../../core/request/parse.ts'
import { type Words, wordsFor } from '../../locales/index.ts'
import type { Answer } from '../command.ts'
import { pageOf } from './pages.ts'
import { otherPrices } from './prices.ts'

const perPage = 5
/** Names of stored LoRAs that a model is shown with. */
const maxNames = 8

interface Showing {
  /** Number of the page, from 1, or the id of a model on it. */
  page: number | string
  locale: Locale
  /** Settings in force. */
  chosen: InForce
}

interface Entry {
  model: Model
  /** Position in the whole list, from 1. */
  number: number
  isDefault: boolean
}

export function modelsReply(core: Core, { page, locale, chosen }: Showing): Answer {
  const words = wordsFor(locale)
  const preferred = usualModel(core, chosen)
  const offered = listed(core.models.all()).filter((model) => model.tool || isAllowed(chosen, model))
  const entries = offered.map((model, index): Entry => {
    return { model, number: index + 1, isDefault: model.id === preferred }
  })
  const textOf = (entry: Entry) => describe(core, words, entry)
  const shown = pageOf({
    items: entries,
    textOf,
    perPage,
    page: typeof page === 'number' ? page : ({ model }) => model.id === page,
    action: 'models',
  })
  const choosing = shown.items
    .filter(({ model, isDefault }) => !isDefault && !model.tool)
    // only the label shows the number: the ref holds the model alone
    .map(({ model, number }) => ({ ...button('prefer', model.id), number }))
  const rows = [choosing, shown.buttons].filter((row) => row.length > 0)
  return {
    locale,
    state: 'info',
    content: { kind: 'text', text: [words.models.title(shown.number), ...shown.items.map(textOf)].join('\n\n') },
    private: true,
    inPlace: true,
    ...(rows.length > 0 && { buttons: rows }),
  }
}

function describe(core: Core, words: Words, { model, number, isDefault }: Entry): string {
  const takes = model.routes.filter(({ provider }) => isSetUp(core, provider)).map((route) => route.takes)
  const { id, title, price, aliases } = model
  const others = otherPrices(words, model)
  return [
    words.models.name({ number, id, title, price, isDefault }),
    words.models.takes({
      words: takes.some(({ prompt }) => prompt !== 'none'),
      fewest: Math.min(...takes.map(({ images }) => images.min)),
      most: Math.max(...takes.map(({ images }) => images.max)),
    }),
    [
      ...offeredAspects([model]),
      ...optionsOf(takes),
      ...(takes.some(({ mask }) => mask) ? [words.models.mask] : []),
    ].join(' '),
    ...(others === undefined ? [] : [others]),
    ...(aliases.length > 0 ? [words.models.aliases(aliases)] : []),
  ].join('\n')
}

/** Options as a person writes them in a prompt. If several routes take one, its range covers all of theirs. */
function optionsOf(takes: readonly Takes[]): string[] {
  const most = Math.max(...takes.map(({ count }) => count))
  const numbers = numberParams.flatMap((name) => {
    const ranges = takes.flatMap(({ params }) => params[name] ?? [])
    const flag = flagSpellings[name]
    if (ranges.length === 0 || flag === undefined) return []
    return [name === 'seed' ? flag : `${flag} ${widest(ranges)}`]
  })
  const scales = [...new Set(takes.flatMap((each) => each.scales ?? []))].sort((a, b) => a - b)
  return [
    ...(most > 1 ? [`${flagSpellings.count} 1–${most}`] : []),
    ...numbers,
    ...(takes.some(({ negative }) => negative) ? [flagSpellings.negative ?? ''] : []),
    ...(takes.some(({ expand }) => expand) ? [flagSpellings.expand ?? ''] : []),
    ...(takes.some(({ loras }) => loras) ? [[flagSpellings.loras, ...storedLoras(takes)].join(' ')] : []),
    ...(scales.length > 0 ? [`${flagSpellings.scale} ${scales.join('|')}`] : []),
  ]
}

/** The first names, as '--lora paper|pixel'. */
function storedLoras(takes: readonly Takes[]): string[] {
  const names = [...new Set(takes.flatMap(({ loras }) => loras?.names ?? []))]
  const shown = names.length > maxNames ? [...names.slice(0, maxNames), '…'] : names
  return shown.length === 0 ? [] : [shown.join('|')]
}

const widest = (ranges: readonly Range[]) =>
  `${Math.min(...ranges.map(({ min }) => min))}–${Math.max(...ranges.map(({ max }) => max))}`
