/**
 * Prices that the buttons and forms of results show. A press never costs more than the person was shown: a price that rose since is
 * refused by its name, and the next press of this person agrees to it.
 */
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'
import { readResult, type StoredResult } from '../generation/result.ts'
import { type Quoted, resultButtons } from '../generation/result-buttons.ts'
import { allSent, mayHaveSent } from '../generation/sent-messages.ts'
import type { ButtonRows } from '../ports/chat.ts'

/** The name of a price that a form or a refusal showed to one person. Prices on buttons, which everyone sees, have no such name. */
const nameOf = (userId: string, offer: string) => `${userId} ${offer}`

/** The name of the price that one refused call was shown. */
const refusedName = (name: string, key: string) => `${name} ${key}`

interface PersonalPrices {
  id: string
  userId: string
  /** By offer: an action, or one of the choices of its form, as 'edit:flux-dev'. */
  prices: Quoted
}

const namesOf = ({ userId, prices }: PersonalPrices): Quoted =>
  Object.fromEntries(Object.entries(prices).map(([offer, price]) => [nameOf(userId, offer), price]))

interface Asking {
  userId: string
  /** Of the call. */
  key: string
  /** Names of the offer. */
  offers: readonly string[]
}

/** The lowest price at which this person was shown one of these offers. undefined: none was shown. */
export function shownPrice({ quoted }: StoredResult, { userId, key, offers }: Asking): number | undefined {
  const prices = offers.flatMap((offer) => {
    const name = nameOf(userId, offer)
    return quoted?.[refusedName(name, key)] ?? quoted?.[name] ?? quoted?.[offer] ?? []
  })
  return prices.length === 0 ? undefined : Math.min(...prices)
}

/** A form shows these prices to a person. An earlier one may still be open, so the lowest counts. */
export const showPrices = (core: Core, shown: PersonalPrices): Promise<void> => lower(core, shown.id, namesOf(shown))

interface Refused extends Asking {
  id: string
  /** The price that the refusal names, and the one that was shown before. */
  price: number
  before: number
}

/** A refusal names this price to a person. It does not count for the refused call, which may be handled again after a crash. */
export function agreeTo(core: Core, { id, userId, key, offers, price, before }: Refused): Promise<void> {
  const prices = offers.flatMap((offer): [string, number][] => {
    const name = nameOf(userId, offer)
    return [
      [name, price],
      [refusedName(name, key), before],
    ]
  })
  return replace(core, id, Object.fromEntries(prices))
}

/**
 * The buttons of one more message with the result. Messages may show different prices; for each button, the lowest price shown
 * counts.
 */
export async function buttonsToShow(core: Core, result: StoredResult): Promise<ButtonRows> {
  const { rows, quoted } = resultButtons(core, result, result.pictures)
  // a person who agreed to a higher price sees the lower one again
  const personal = Object.keys(result.quoted ?? {}).flatMap((name) => {
    const [, offer = '', refused] = name.split(' ')
    const price = quoted[offer]
    return price === undefined || refused !== undefined ? [] : [[name, price]]
  })
  await lower(core, result.id, { ...quoted, ...Object.fromEntries(personal) })
  return rows
}

/** Changes the buttons of all messages with the result to today's prices. People are held to them if no message shows others. */
export async function quoteAnew(core: Core, id: string): Promise<ButtonRows | undefined> {
  const result = await readResult(core, id)
  if (!result) return undefined
  const { locale } = result
  const { rows, quoted } = resultButtons(core, result, result.pictures)
  const messages = (await allSent(core, id)).filter(({ buttons }) => buttons)
  const changed = await Promise.all(
    messages.map(async ({ surface: name, posted }) => {
      const surface = core.surfaces.get(name)
      if (!surface) return false
      try {
        await surface.changeButtons(posted, { locale, buttons: rows })
        return true
      } catch (error) {
        core.log.debug({ id, surface: name, err: error }, 'could not change the prices of a message')
        return false
      }
    }),
  )
  if (changed.every(Boolean) && !(await mayHaveSent(core, id))) await replace(core, id, quoted)
  return rows
}

async function replace(core: Core, id: string, prices: Quoted): Promise<void> {
  await core.database.rows(sql`
    update generations set quoted = coalesce(quoted, '{}') || ${JSON.stringify(prices)}::jsonb
    where id = ${id}::uuid and erased_at is null`)
}

async function lower(core: Core, id: string, prices: Quoted): Promise<void> {
  await core.database.rows(sql`
    update generations set quoted = coalesce(quoted, '{}') || coalesce((
      select jsonb_object_agg(key, least(value::int, (quoted->>key)::int))
      from jsonb_each_text(${JSON.stringify(prices)}::jsonb)), '{}')
    where id = ${id}::uuid and erased_at is null`)
}
