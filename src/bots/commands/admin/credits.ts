/** What `/credits` does for administrators: changes and shows credits of people, makes codes, and sets what SKUs of Discord give. */
import { readAccount } from '../../../core/accounts/accounts.ts'
import { adjust } from '../../../core/billing/adjust.ts'
import { createCode } from '../../../core/billing/codes.ts'
import { maxGrant } from '../../../core/billing/ledger.ts'
import { pricedSkus, saveSku } from '../../../core/billing/shop/skus.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import { callHash } from '../../../core/ids.ts'
import type { Call } from '../../../core/ports/chat.ts'
import { shorten } from '../../../core/text.ts'
import type { Words } from '../../../locales/index.ts'
import { entryLines } from '../../lists/entries.ts'
import { personOf } from './person.ts'

const shownEntries = 10
const maxReason = 200

interface Given {
  user?: string
  amount?: number
  reason?: string
  uses?: number
  days?: number
  sku?: string
}

interface Asking {
  core: Core
  call: Call
  words: Words
  values: Given
}

/** What the answer says, and the code that it holds, if any. */
export interface CreditsAnswer {
  text: string
  secrets?: readonly string[]
}

/** `action`: one of the choices of the command. */
export async function adminCredits(asking: Asking, action: string): Promise<CreditsAnswer> {
  if (action === 'code') return code(asking)
  if (action === 'show') return { text: await show(asking) }
  if (action === 'sku') return { text: await sku(asking) }
  return { text: await change(asking, action === 'give' || action === 'take' ? action : 'set') }
}

async function change({ core, call, words, values }: Asking, how: 'give' | 'take' | 'set'): Promise<string> {
  const { user, amount, reason = '' } = values
  if (user === undefined || amount === undefined) throw new AppError('bad_amount', { limit: maxGrant })
  const { userId, name } = await personOf(core, call, user)
  const { balance, debt } = await adjust(core, {
    userId,
    how,
    amount,
    reason: shorten(reason, maxReason),
    actor: call.from.id,
    key: call.key,
  })
  const changed =
    how === 'set'
      ? words.wallet.set({ user: name, balance })
      : words.gave({ user: name, amount: how === 'give' ? amount : -amount, balance })
  return debt > 0 ? `${changed}\n${words.wallet.owes(debt)}` : changed
}

async function show({ core, call, words, values: { user = 'me' } }: Asking): Promise<string> {
  const { userId, name } = await personOf(core, call, user)
  const [account, entries] = await Promise.all([
    readAccount(core, userId),
    entryLines(core, words, { userId, limit: shownEntries }),
  ])
  return [words.wallet.account({ ...account, user: name }), ...entries].join('\n')
}

/** In text, the numbers of `/credits code 50 10 30` are parsed as the person, the amount and the reason of the other actions. */
async function code({ core, call, words, values }: Asking): Promise<CreditsAnswer> {
  if (!call.isPrivate) throw new AppError('privately_only')
  const written =
    values.user === undefined ? undefined : { credits: values.user, uses: values.amount, days: values.reason }
  const credits = Number(written?.credits ?? values.amount)
  const uses = Number(values.uses ?? written?.uses ?? 1)
  const days = values.days ?? (written?.days ? Number(written.days) : undefined)
  const shown = await createCode(core, { credits, uses, days, actor: call.from.id, key: call.key })
  return { text: words.wallet.code({ code: shown, credits, uses, days }), secrets: [shown] }
}

/** In text, the id of `/credits sku 1019475255913222144 100` is parsed as the person of the other actions. */
async function sku({ core, call, words, values }: Asking): Promise<string> {
  const id = values.sku ?? values.user
  if (id !== undefined) await setSku(core, call, { id, credits: values.amount })
  const lines = (await pricedSkus(core)).map((each) => words.shop.sku(each))
  return [
    id === undefined ? words.shop.skus : words.shop.skuSaved,
    ...(lines.length > 0 ? lines : [words.shop.noSkus]),
    '',
    words.shop.skuUsage,
  ].join('\n')
}

async function setSku(core: Core, call: Call, { id, credits }: { id: string; credits?: number }): Promise<void> {
  if (credits === undefined) {
    throw new AppError('bad_option', { name: 'amount', value: '', type: 'integer', expected: `0–${maxGrant}` })
  }
  const key = callHash(core, call.key)
  await saveSku(core, { actor: call.from.id, key: `sku:${key}` }, { id, credits })
  // if this process dies before, the act comes again
  for (const { shop } of core.surfaces.values()) await shop?.itemChanged(id, key)
}
