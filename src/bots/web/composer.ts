/** The composer of the page: what its options offer, and what a request costs before it is sent. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { accountOf, readAccount } from '../../core/accounts/accounts.ts'
import { type InForce, readSettings } from '../../core/accounts/settings.ts'
import { quote, type Size } from '../../core/billing/quote.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { judged } from '../../core/generation/rules.ts'
import type { Act } from '../../core/ports/chat.ts'
import type { Range, Takes } from '../../core/ports/models.ts'
import { canServe, drawing, takenWith } from '../../core/request/choose-model.ts'
import { type Words, wordsFor } from '../../locales/index.ts'
import { findCommand } from '../command.ts'
import { fluxCommand, readRequest } from '../commands/flux.ts'
import { allCommands } from '../commands/index.ts'
import { partsOf } from '../layout.ts'
import { valuesOf } from '../options.ts'
import { actOf, maxAttached, placeOf, typedOptions } from './calls.ts'
import type { Guest } from './sign-in.ts'

interface ComposerOptions {
  core(): Core
  /** undefined: the request has been refused. */
  enter(request: FastifyRequest, reply: FastifyReply): Promise<Guest | undefined>
  localeOf(request: FastifyRequest): string
}

/** Options of a request that have a use with a model. */
interface Offer {
  aspects: string[]
  /** The greatest. */
  count: number
  seed: boolean
  negative: boolean
  strength?: Range
  enhance: boolean
}

interface Quote {
  /** Absent: it cannot be drawn, or is no request. */
  price?: number
  /** The model and the price. */
  summary?: string
  balance: string
  /** Why it would be refused. */
  trouble?: string
}

const imageCount = z.coerce.number().int().min(0).max(maxAttached)
const offerQuery = z.object({ images: imageCount })
const side = z.int().min(1).max(100_000)
const quoteBody = z.strictObject({
  text: z.string().max(20_000),
  images: imageCount,
  /** Size of the first picture. */
  size: z.strictObject({ width: side, height: side }).optional(),
  options: typedOptions,
})

/** Commands that have a button of their own on the page, once they exist. */
const menu = ['history', 'credits', 'settings', 'models', 'help'] as const satisfies (keyof Words['page']['menu'])[]

export const composer =
  ({ core, enter, localeOf }: ComposerOptions): FastifyPluginAsync =>
  async (app) => {
    const badRequest = (request: FastifyRequest, reply: FastifyReply) => {
      const message = wordsFor(localeOf(request)).page.bad_message
      return reply.code(400).send({ error: { kind: 'bad_message', message } })
    }
    app.get('/web/composer', async (request, reply) => {
      if (!(await enter(request, reply))) return reply
      const { data } = offerQuery.safeParse(request.query)
      if (!data) return badRequest(request, reply)
      return offers(core(), data.images, wordsFor(localeOf(request)))
    })
    app.post('/web/quote', async (request, reply) => {
      const guest = await enter(request, reply)
      if (!guest) return reply
      const { data } = quoteBody.safeParse(request.body)
      if (!data) return badRequest(request, reply)
      const { text, images, size, options } = data
      return quoteFor(core(), { guest, locale: localeOf(request), act: actOf(text, options), images, size })
    })
  }

/** `images`: how many are attached. `automatic`: what is possible while no model is named. */
function offers(core: Core, images: number, words: Words) {
  const models = drawing(core.models.all()).filter((model) => canServe(core, model, { images, words: images === 0 }))
  const all = models.map((model) => ({
    id: model.id,
    title: words.priced(model.title, model.price),
    ...offerOf(core, takenWith(core, model, { images }), images),
  }))
  const strengths = all.flatMap(({ strength }) => strength ?? [])
  const automatic: Offer = {
    aspects: [...new Set(all.flatMap(({ aspects }) => aspects))],
    count: Math.max(1, ...all.map(({ count }) => count)),
    seed: all.some(({ seed }) => seed),
    negative: all.some(({ negative }) => negative),
    enhance: all.some(({ enhance }) => enhance),
    ...(strengths.length > 0 && {
      strength: {
        min: Math.min(...strengths.map(({ min }) => min)),
        max: Math.max(...strengths.map(({ max }) => max)),
      },
    }),
  }
  return { menu: menu.filter((name) => findCommand(allCommands, name)), automatic, models: all }
}

function offerOf({ enhancer }: Core, takes: Takes, images: number): Offer {
  const { aspects, count, params, negative = false, prompt } = takes
  return {
    aspects: Object.keys(aspects).filter((aspect) => aspect !== 'auto'),
    count,
    seed: params.seed !== undefined,
    negative,
    // without a picture there is nothing to depart from
    ...(images > 0 && params.strength && { strength: params.strength }),
    enhance: enhancer !== undefined && prompt !== 'none',
  }
}

interface Composed {
  guest: Guest
  locale: string
  act: Act
  images: number
  /** Size of the first picture. */
  size?: Size
}

async function quoteFor(core: Core, { guest, locale, act, images, size }: Composed): Promise<Quote> {
  const words = wordsFor(locale)
  const { visitor, from } = guest
  const userId = await accountOf(core, from)
  const { chosen: set } = await readSettings(core, { surface: 'web', from, place: placeOf(visitor) })
  const { balance } = await readAccount(core, userId)
  const left = words.composed.balance(balance)
  try {
    const composed = compose(core, { act, images, size, set })
    if (!composed) return { balance: left }
    const { price, quote: parts, request, chosen } = composed
    const { error: refused } = await judged(core, {
      ...core.limits,
      userId,
      surface: 'web',
      request,
      price,
      quote: parts,
    })
    const summary = words.priced(chosen.model.title, price)
    return { price, summary, balance: left, trouble: refused && textOf(locale, refused) }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { balance: left, trouble: textOf(locale, error) }
  }
}

/** undefined: another command than a request. While nothing is written, the price is that of any words. */
function compose(core: Core, { act, images, size, set }: Pick<Composed, 'act' | 'images' | 'size'> & { set: InForce }) {
  const isRequest = act.kind === 'message' || (act.kind === 'command' && findCommand([fluxCommand], act.name))
  if (!isRequest) return undefined
  const { text, options } = { options: {}, ...act }
  const withWords = (written: string) => {
    const typed = Object.keys(options).length === 0 ? {} : { ...options, prompt: written }
    const { params, chosen } = readRequest(core, { values: valuesOf(fluxCommand, written, typed), images, set })
    return { ...quote(core, { params, chosen, images, input: size }), chosen }
  }
  if (text !== '') return withWords(text)
  try {
    // some models work from pictures alone
    return withWords('')
  } catch (error) {
    if (error instanceof AppError && error.kind === 'empty_prompt') return withWords(anyWords)
    throw error
  }
}

const anyWords = 'a picture'

const textOf = (locale: string, { kind, data }: AppError) =>
  partsOf({ locale, content: { kind: 'refusal', error: kind, data } }).text
