/**
 * Prices that the buttons of results show. A press never costs more than its button showed: a price that rose since is refused,
 * the buttons are changed, and the next press agrees to it.
 */
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'
import { readResult, type StoredResult } from '../generation/result.ts'
import { type Quoted, resultButtons } from '../generation/result-buttons.ts'
import { allSent } from '../generation/sent-messages.ts'
import type { ButtonRows } from '../ports/chat.ts'

/**
 * The buttons of one more message with the result. Other messages may show other prices; of each, the lowest one that was shown
 * counts.
 */
export async function buttonsToShow(core: Core, result: StoredResult): Promise<ButtonRows> {
  const { rows, quoted } = resultButtons(core, result, result.pictures.length)
  const before = result.quoted ?? {}
  const lowest = Object.entries(quoted).map(([action, price]) => [action, Math.min(price, before[action] ?? price)])
  await saveQuoted(core, result.id, { ...before, ...Object.fromEntries(lowest) })
  return rows
}

/** Changes the buttons of all messages with the result to today's prices, and then agrees to them. */
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
