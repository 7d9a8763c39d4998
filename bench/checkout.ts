/**
 * `npx tsx bench/checkout.ts [waiting] [rounds]`: milliseconds from a pre-checkout query of Telegram to its answer, while so many updates of
 * other people arrived before it.
 */
import { sql } from 'drizzle-orm'
import { openTestTelegram } from '../tests/helpers/telegram.ts'
import { say } from './parts/figures.ts'

const waiting = Number(process.argv[2] ?? 500)
const rounds = Number(process.argv[3] ?? 100)
/** Milliseconds, p99. */
const goal = 2_000

const buyer = { userId: 501 }
const test = await openTestTelegram({ works: false })
const { telegram, core } = test
telegram.say('/buy small', buyer)
const invoice = await telegram.waitFor(buyer.userId, ({ raw }) => raw.invoice !== undefined)
const [order] = await core.database.rows<{ id: string }>(sql`select id from orders`)
const offer = { payload: order?.id ?? '', stars: Number(invoice.raw.invoice?.total_amount) }

const times: number[] = []
let unhandled = 0
for (let round = 0; round < rounds; round++) {
  for (let at = 0; at < waiting; at++) telegram.say(`/buy ${at}`, { userId: 600 + (at % 50) })
  const { ok, error, answeredMs } = await telegram.askCheckout(offer, buyer)
  if (!ok) throw new Error(error)
  times.push(answeredMs)
  const [left] = await core.database.rows<{ n: number }>(
    sql`select count(*)::int as n from inbox where handled_at is null`,
  )
  unhandled += left?.n ?? 0
  await core.database.rows(sql`delete from inbox`)
}
times.sort((a, b) => a - b)
const quantile = (share: number) => times[Math.ceil(share * times.length) - 1] ?? 0
say(
  `Pre-checkout behind ${waiting} updates, ${rounds} rounds: p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms, max ${times.at(-1)} ms. ` +
    `${Math.round(unhandled / rounds)} updates were unhandled at the answer. Goal: p99 ≤ ${goal} ms.`,
)
// test databases are kept for reuse, which keeps the process alive
process.exit()
