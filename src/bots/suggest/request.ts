/** What is suggested for the options of a request: models with their prices, ratios of the model, and own earlier prompts. */
import { type InForce, isAllowed } from '../../core/accounts/settings.ts'
import { mainPart, priceOfPart, quote } from '../../core/billing/quote.ts'
import { allModels } from '../../core/chats/change-rules.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { lastPrompts, promptOfRequest } from '../../core/history/prompts.ts'
import { isId } from '../../core/ids.ts'
import type { Call, Typing } from '../../core/ports/chat.ts'
import type { Choice } from '../../core/ports/forms.ts'
import type { Model, Takes } from '../../core/ports/models.ts'
import { canServe, chooseModel, drawing, offeredAspects, takenWith } from '../../core/request/choose-model.ts'
import { shorten } from '../../core/text.ts'
import type { Suggesting } from '../command.ts'

const maxChoices = 25
/** In UTF-16 units, of a value and of a label. */
const maxLength = 100

/** Models that can serve the request as far as it is known, the default first, with the price of all its pictures. */
export function suggestModels({ core, typing, words, settings }: Suggesting): Choice[] {
  const { images, typed, options } = typing
  const all = drawing(core.models.all()).filter((model) => isAllowed(settings, model))
  const able = all.filter((model) => canServe(core, model, { images, words: true }))
  const first = settings.model ?? core.models.preferred()
  return (able.length > 0 ? able : all)
    .filter(({ id, title, aliases }) => matches(typed, [id, title, ...aliases]))
    .toSorted((a, b) => Number(b.id === first) - Number(a.id === first))
    .slice(0, maxChoices)
    .map((model) => ({ value: model.id, label: cut(words.priced(model.title, priceFor(model))) }))

  function priceFor(model: Model): number {
    const count = Math.max(1, Number(options.count ?? settings.count ?? 1))
    const aspect = typeof options.aspect === 'string' ? options.aspect : undefined
    const params = { prompt: anyWords, count, aspect }
    const quoted = () =>
      quote(core, { chosen: { model, takes: takenWith(core, model, { images }) }, params, images }).price
    return orElse(quoted, priceOfPart(model, mainPart(model)) * count)
  }
}

/** Lists of models, 'a, b': what is typed, with one more. */
export function suggestModelLists({ core, typing: { typed } }: Suggesting): Choice[] {
  const [last = '', ...before] = typed
    .split(',')
    .map((name) => name.trim())
    .toReversed()
  const found = drawing(core.models.all())
    .filter(({ id, title, aliases }) => !before.includes(id) && matches(last, [id, title, ...aliases]))
    .map(({ id }) => [...before.toReversed(), id].join(', '))
  const all = before.length === 0 && matches(last, [allModels]) ? [allModels] : []
  return [...found, ...all]
    .filter((value) => value.length <= maxLength)
    .slice(0, maxChoices)
    .map((value) => ({ value, label: value }))
}

/** Ratios of the model that would draw the request: the one that is filled in, or the default. */
export function suggestAspects({ core, typing, settings }: Suggesting): Choice[] {
  const { typed } = typing
  const aspects = aspectsFor(core, typing, settings)
  return Object.entries(aspects)
    .filter(([aspect]) => aspect !== 'auto' && matches(typed, [aspect]))
    .slice(0, maxChoices)
    .map(([aspect, [width, height]]) => ({
      value: aspect,
      label: width > 0 ? `${aspect} · ${width}×${height}` : aspect,
    }))
}

/** Prompts of the person's latest requests. One that is too long for a choice is referred to (`writtenPrompt`). */
export async function suggestPrompts({ core, from, typing }: Suggesting): Promise<Choice[]> {
  const found = await lastPrompts(core, from.id, { containing: typing.typed.trim(), limit: maxChoices })
  return found.map(({ id, prompt }) => ({
    value: prompt.length <= maxLength ? prompt : reference(id),
    label: cut(prompt.replace(/\s+/g, ' ')),
  }))
}

const reference = (id: string) => `prompt:${id}`

/** The prompt that a chosen suggestion stands for, or the text itself. Throws AppError unknown_request. */
export async function writtenPrompt(core: Core, { from }: Pick<Call, 'from'>, text: string): Promise<string> {
  const [, id = ''] = /^prompt:(.*)$/.exec(text) ?? []
  return isId(id) ? promptOfRequest(core, from.id, id) : text
}

const matches = (typed: string, names: readonly string[]) =>
  names.some((name) => name.toLowerCase().includes(typed.trim().toLowerCase()))

/** `shorten` counts code points, of which some have two units. */
const cut = (text: string) => (text.length <= maxLength ? text : shorten(text, maxLength / 2))

/** The price does not depend on what they say. */
const anyWords = 'words'

function aspectsFor(core: Core, { options, images }: Typing, settings: InForce): Takes['aspects'] {
  const name = typeof options.model === 'string' && options.model !== '' ? options.model : undefined
  const { model: preferred, allowed } = settings
  const prefer = preferred === undefined ? [] : [preferred]
  const all = offeredAspects(core.models.all()).map((aspect) => [aspect, [0, 0]] as const)
  return orElse(
    () =>
      chooseModel(core, { name, allowed: name === undefined ? allowed : null, images, words: true, prefer }).takes
        .aspects,
    Object.fromEntries(all),
  )
}

/** Half-typed names and pictures that are still missing are no errors here. */
function orElse<T>(read: () => T, otherwise: T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof AppError) return otherwise
    throw error
  }
}
