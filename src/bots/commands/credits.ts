/** `/credits`, and for admins `/credits give @user 5 [reason]` and `take`. */
import { accountOf, findAccount, readAccount } from '../../core/accounts/accounts.ts'
import { type Entry, grant, lastEntries } from '../../core/billing/ledger.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import type { Call } from '../../core/ports/chat.ts'
import { findModel } from '../../core/request/resolve.ts'
import { cleanText, shorten } from '../../core/text.ts'
import { type Words, wordsFor } from '../../locales/index.ts'
import type { Command } from '../command.ts'

const mostAtOnce = 1_000_000

export const creditsCommand: Command = {
  name: 'credits',
  audience: 'private',
  options: [
    { name: 'action', type: 'choice', choices: ['give', 'take'] },
    { name: 'user', type: 'user' },
    { name: 'amount', type: 'integer', min: 1, max: mostAtOnce },
  ],
  async run(call, core) {
    const [action, user, amount, ...reason] = wordsOf(call)
    const text =
      action === ''
        ? await ownBalance(call, core)
        : await change(core, call, { action, user, amount: Number(amount), reason: reason.join(' ') })
    return { text, state: 'info', private: true }
  },
}

/** Typed options where the platform has them, else the words after the command. */
function wordsOf(call: Call): [string, string, string, ...string[]] {
  const { action, user, amount } = call.options
  if (action !== undefined) return [String(action), String(user ?? ''), String(amount ?? '')]
  const [first = '', second = '', third = '', ...rest] = cleanText(call.text).split(' ')
  return [first.toLowerCase(), second, third, ...rest]
}

async function ownBalance(call: Call, core: Core): Promise<string> {
  const words = wordsFor(call.locale)
  const userId = await accountOf(core, call.from)
  const [account, entries] = await Promise.all([readAccount(core, userId), lastEntries(core, userId, 5)])
  const model = findModel(core.models.all(), core.models.preferred())
  const balance = words.balance({ ...account, price: model.price, model: model.title })
  return [balance, ...entries.map((entry) => line(words, entry))].join('\n')
}

function line(words: Words, entry: Entry): string {
  const kinds: Readonly<Record<string, string>> = words.entryKinds
  const reason = kinds[entry.reason ?? ''] ?? entry.reason ?? kinds[entry.kind] ?? entry.kind
  return words.entry({
    amount: entry.amount,
    kind: entry.kind,
    reason,
    when: entry.createdAt.toISOString().slice(0, 16).replace('T', ' '),
  })
}

interface Change {
  action: string
  user: string
  amount: number
  reason: string
}

async function change(core: Core, call: Call, { action, user, amount, reason }: Change): Promise<string> {
  if (!core.isAdmin(call.from.id)) throw new AppError('admins_only', { identity: call.from.id })
  if ((action !== 'give' && action !== 'take') || user === '') throw new AppError('bad_amount', { limit: mostAtOnce })
  if (!Number.isInteger(amount) || amount < 1) throw new AppError('bad_amount', { limit: mostAtOnce })
  const { userId, name } = await findAccount(core, call, user)
  const signed = action === 'give' ? amount : -amount
  const balance = await grant(core, {
    userId,
    amount: signed,
    reason: shorten(reason, 200),
    actor: call.from.id,
    key: `credits:${call.key}`,
  })
  return wordsFor(call.locale).gave({ user: name, amount: signed, balance })
}
