/**
 * Prices that the buttons of results show. A press never costs more than its button showed: if the price has risen since, the
 * press is refused and the buttons show the new price, to which the next press agrees.
 */
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'
import { readResult, type StoredResult } from '../generation/result.ts'
import { type Quoted, resultButtons } from '../generation/result-buttons.ts'
import { allSent } from '../generation/sent-messages.ts'
import type { ButtonRows } from '../ports/chat.ts'

/**
 * The buttons of one more message with the result. Messages may show different prices; for each button, the lowest price shown
 * counts.
 */
export async function buttonsToShow(core: Core, result: StoredResult): Promise<ButtonRows> {
  const { rows, quoted } = resultButtons(core, result, result.pictures.length)
  const before = result.quoted ?? {}
  const lowest = Object.entries(quoted).map(([action, price]) => [action, Math.min(price, before[action] ?? price)])
  await saveQuoted(core, result.id, { ...before, ...Object.fromEntries(lowest) })
  return rows
}

/** Changes the buttons of all messages with the result to the current prices, and then saves these as quoted. */
export async function quoteAnew(core: Core, id: string): Promise<ButtonRows | undefined> {
  const result = await readResult(core, id)
  if (!result) return undefined
  const { locale } = result
  const { rows, quoted } = resultButtons(core, result, result.pictures.length)
  const messages = (await allSent(core, id)).filter(({ buttons }) => buttons)
  await Promise.all(
    messages.map(async ({ surface, posted }) => {
      try {
        await core.surfaces.get(surface)?.changeButtons(posted, { locale, buttons: rows })
      } catch (error) {
        core.log.debug({ id, surface, err: error }, 'could not change the prices of a message')
      }
    }),
  )
  await saveQuoted(core, id, quoted)
  return rows
}

async function saveQuoted(core: Core, id: string, quoted: Quoted): Promise<void> {
  await core.database.rows(sql`
    update generations set quoted = ${JSON.stringify(quoted)}::jsonb where id = ${id}::uuid and erased_at is null`)
}
