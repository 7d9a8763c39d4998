/** Every model that can be used, with its price and what it takes. `/models` and its buttons show pages of it. */
import type { Core } from '../../core/core.ts'
import type { Locale } from '../../core/ports/chat.ts'
import { type Model, numberParams, type Range, type Takes } from '../../core/ports/models.ts'
import { isSetUp } from '../../core/request/check.ts'
import { listed, offeredAspects } from '../../core/request/choose-model.ts'
import { flagSpellings } from '../../core/request/parse.ts'
import { type Words, wordsFor } from '../../locales/index.ts'
import type { Answer } from '../command.ts'
import { pageOf } from './pages.ts'

const perPage = 5

export function modelsReply(core: Core, { page, locale }: { page: number; locale: Locale }): Answer {
  const words = wordsFor(locale)
  const preferred = core.models.preferred()
  const textOf = (model: Model) => describe(core, words, { model, isDefault: model.id === preferred })
  const { number, items, buttons } = pageOf({
    items: listed(core.models.all()),
    textOf,
    perPage,
    page,
    action: 'models',
  })
  return {
    locale,
    state: 'info',
    content: { kind: 'text', text: [words.models.title(number), ...items.map(textOf)].join('\n\n') },
    private: true,
    inPlace: true,
    ...(buttons.length > 0 && { buttons: [buttons] }),
  }
}

function describe(core: Core, words: Words, { model, isDefault }: { model: Model; isDefault: boolean }): string {
  const takes = model.routes.filter(({ provider }) => isSetUp(core, provider)).map((route) => route.takes)
  const { id, title, price, aliases } = model
  return [
    words.models.name({ id, title, price, isDefault }),
    words.models.takes({
      words: takes.some(({ prompt }) => prompt !== 'none'),
      fewest: Math.min(...takes.map(({ images }) => images.min)),
      most: Math.max(...takes.map(({ images }) => images.max)),
    }),
    [...offeredAspects([model]), ...optionsOf(takes)].join(' '),
    ...(aliases.length > 0 ? [words.models.aliases(aliases)] : []),
  ].join('\n')
}

/** As they are written in a prompt. An option of several routes has the widest range. */
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
    ...(scales.length > 0 ? [`${flagSpellings.scale} ${scales.join('|')}`] : []),
  ]
}

const widest = (ranges: readonly Range[]) =>
  `${Math.min(...ranges.map(({ min }) => min))}–${Math.max(...ranges.map(({ max }) => max))}`
