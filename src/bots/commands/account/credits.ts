/** `/credits`, and for admins `/credits give @user 5 [reason]` and `take`. */
import { accountOf, findAccount, readAccount } from '../../../core/accounts/accounts.ts'
import { type Entry, grant, lastEntries, maxGrant } from '../../../core/billing/ledger.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import type { Call } from '../../../core/ports/chat.ts'
import { namedModel } from '../../../core/request/choose-model.ts'
import { shorten, utcText } from '../../../core/text.ts'
import type { Words } from '../../../locales/index.ts'
import { defineCommand } from '../../command.ts'

export const creditsCommand = defineCommand({
  name: 'credits',
  needs: ({ action }) => (action === undefined ? 'everyone' : 'admin'),
  audience: 'private',
  options: {
    action: { type: 'choice', choices: ['give', 'take'] },
    user: { type: 'user' },
    amount: { type: 'integer', min: 1, max: maxGrant },
    reason: { type: 'text', rest: true },
  },
  async run({ core, call, words, values: { action, user, amount, reason = '' } }) {
    const text =
      action === undefined
        ? await ownBalance(core, call, words)
        : await change(core, call, words, { user, amount: action === 'give' ? amount : amount && -amount, reason })
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})

async function ownBalance(core: Core, call: Call, words: Words): Promise<string> {
  const userId = await accountOf(core, call.from)
  const [account, entries] = await Promise.all([readAccount(core, userId), lastEntries(core, userId, 5)])
  const { price, title: model } = namedModel(core.models.all(), core.models.preferred())
  return [words.balance({ ...account, price, model }), ...entries.map((entry) => line(words, entry))].join('\n')
}

function line(words: Words, { amount, kind, source, reason, createdAt }: Entry): string {
  const origin = source === null || source === 'admin' ? words.entryKinds[kind] : words.entrySources[source]
  return words.entry({
    amount,
    reason: reason || origin,
    when: utcText(createdAt),
  })
}

interface Change {
  user: string | undefined
  /** Negative: taken. */
  amount: number | undefined
  reason: string
}

async function change(core: Core, call: Call, words: Words, { user, amount, reason }: Change): Promise<string> {
  if (user === undefined || amount === undefined) throw new AppError('bad_amount', { limit: maxGrant })
  const { userId, name } = await personOf(core, call, user)
  const balance = await grant(core, {
    userId,
    amount,
    source: 'admin',
    reason: shorten(reason, 200),
    actor: call.from.id,
    key: `credits:${call.key}`,
  })
  return words.gave({ user: name, amount, balance })
}

/** '@name', 'me', or an identity that the surface made of a mention. Throws AppError unknown_user. */
async function personOf(core: Core, { from, surface }: Call, written: string) {
  const name = written.replace(/^@/, '')
  if (name.toLowerCase() === 'me') return { userId: await accountOf(core, from), name: from.name }
  return findAccount(core, surface, name)
}
