/**
 * `/price` lists the prices, `/price model` those of one model. `/price model [part] n` changes one, and `/price model [part] default`
 * goes back to what the model declares. `*` stands for all models.
 */

import { maxPrice, readPrices, resetPrices, type SetPrice, setPrice, tariffId } from '../../../core/billing/prices.ts'
import { mainPart, partsOf, priceOfPart } from '../../../core/billing/quote.ts'
import { everyModel } from '../../../core/billing/tariff.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import { callHash } from '../../../core/ids.ts'
import type { Call } from '../../../core/ports/chat.ts'
import { type Model, type PricedPart, pricedParts } from '../../../core/ports/models.ts'
import { namedModel } from '../../../core/request/choose-model.ts'
import type { Words } from '../../../locales/index.ts'
import { defineCommand } from '../../command.ts'
import { partLabel } from '../../lists/prices.ts'

/** Characters. Discord's limit for a message is 2,000, and the usage follows. */
const listLimit = 1_600

export const priceCommand = defineCommand({
  name: 'price',
  needs: 'admin',
  audience: 'private',
  options: {
    model: { type: 'text' },
    // a function, so that the parser accepts other words: in text, the credits may come second
    part: { type: 'choice', choices: () => pricedParts },
    credits: { type: 'text' },
  },
  async run({ core, call, words, values: { model: name, part, credits } }) {
    const written = credits === undefined && part !== undefined && isPrice(part) ? { credits: part } : { part, credits }
    const text = name === undefined ? await list(core, words) : await change(core, call, words, { name, ...written })
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})

const isPrice = (text: string) => /^-?[\d.]+$/.test(text) || isDefault(text)
const isDefault = (text: string) => text.toLowerCase() === 'default'

async function list(core: Core, words: Words): Promise<string> {
  const set = await readPrices(core)
  const models = core.models.all().filter(({ hidden }) => !hidden)
  const lines = models.map(({ id, price, off = false }) =>
    words.prices.line({ id, price, off, changed: set.some(({ model }) => model === id) }),
  )
  const everywhere = set.filter(({ model }) => model === everyModel)
  const shared = everywhere.length > 0 ? [everyModelText(words, everywhere)] : []
  return [words.prices.title, ...fitting(words, [...shared, ...lines]), '', words.prices.usage].join('\n')
}

/** There may be many workflow packs. */
function fitting(words: Words, lines: readonly string[]): string[] {
  const shown = lines.filter((_, at) => lines.slice(0, at + 1).join('\n').length <= listLimit)
  const left = lines.length - shown.length
  return left === 0 ? shown : [...shown, words.prices.more(left)]
}

interface Change {
  name: string
  part?: string
  credits?: string
}

/** Without credits nothing changes. */
async function change(core: Core, call: Call, words: Words, { name, part, credits }: Change): Promise<string> {
  const model = name === everyModel ? undefined : ownerOf(core, namedModel(core.models.all(), name))
  const id = model ? tariffId(model) : everyModel
  const act = { actor: call.from.id, key: `price:${callHash(core, call.key)}` }
  const wanted = part === undefined ? undefined : partOf(part, model)
  if (credits !== undefined && isDefault(credits)) await resetPrices(core, act, { model: id, part: wanted })
  else if (credits !== undefined) {
    const usual = wanted ?? (model && mainPart(model))
    if (usual === undefined) throw unknownPart('', model)
    await setPrice(core, act, { model: id, part: usual, credits: creditsOf(credits) })
  }
  const set = (await readPrices(core)).filter((each) => each.model === id)
  const now = model && core.models.all().find((each) => each.id === model.id)
  const text = now ? modelText(words, now, set) : everyModelText(words, set)
  return credits === undefined ? text : [words.prices.saved, text].join('\n')
}

/** The model whose prices this model uses: another one, or itself. */
const ownerOf = (core: Core, model: Model) => core.models.all().find(({ id }) => id === model.base) ?? model

const partsFor = (model: Model | undefined) => (model ? partsOf(model) : (['input', 'enhance'] as const))

function partOf(written: string, model: Model | undefined): PricedPart {
  const part = partsFor(model).find((each) => each === written.toLowerCase())
  if (part === undefined) throw unknownPart(written, model)
  return part
}

const unknownPart = (value: string, model: Model | undefined) =>
  new AppError('bad_option', { name: 'part', value, expected: partsFor(model).join(', ') })

function creditsOf(written: string): number {
  const credits = Number(written)
  if (Number.isInteger(credits) && credits >= 0 && credits <= maxPrice) return credits
  throw new AppError('bad_option', { name: 'credits', value: written, type: 'integer', expected: `0–${maxPrice}` })
}

function modelText(words: Words, model: Model, set: readonly SetPrice[]): string {
  const lines = partsOf(model).map((part) =>
    words.prices.part({
      name: part,
      label: partLabel(words, part),
      price: priceOfPart(model, part),
      changed: set.some((each) => each.part === part),
    }),
  )
  return [`${model.title} · ${model.id}`, ...lines].join('\n')
}

function everyModelText(words: Words, set: readonly SetPrice[]): string {
  const lines = set.map(({ part, credits: price }) =>
    words.prices.part({ name: part, label: partLabel(words, part), price, changed: true }),
  )
  return [words.prices.everyModel, ...(lines.length > 0 ? lines : [words.prices.none])].join('\n')
}
