/**
 * `/credits`, and for administrators `/credits give|take|set|show @user [n] [reason]`, `/credits code n [uses] [days]` and
 * `/credits sku [id n]`.
 */
import { accountOf, readAccount } from '../../../core/accounts/accounts.ts'
import { maxDays, maxUses } from '../../../core/billing/codes.ts'
import { maxGrant } from '../../../core/billing/ledger.ts'
import { poolOf } from '../../../core/billing/pool.ts'
import { referralCodeOf, referralPrefix } from '../../../core/billing/referrals.ts'
import type { Core } from '../../../core/core.ts'
import type { Call } from '../../../core/ports/chat.ts'
import { namedModel } from '../../../core/request/choose-model.ts'
import type { Words } from '../../../locales/index.ts'
import { buyButtons } from '../../buying/packages.ts'
import { defineCommand } from '../../command.ts'
import { entryLines } from '../../lists/entries.ts'
import { adminCredits, type CreditsAnswer } from '../admin/credits.ts'

const shownEntries = 5

export const creditsCommand = defineCommand({
  name: 'credits',
  needs: ({ action }) => (action === undefined ? 'everyone' : 'admin'),
  audience: 'private',
  options: {
    action: { type: 'choice', choices: ['give', 'take', 'set', 'show', 'code', 'sku'] },
    user: { type: 'user' },
    amount: { type: 'integer', min: 0, max: maxGrant },
    reason: { type: 'text', rest: true },
    uses: { type: 'integer', min: 1, max: maxUses, flag: true },
    days: { type: 'integer', min: 1, max: maxDays, flag: true },
    sku: { type: 'text', flag: true },
  },
  async run({ core, call, words, values }) {
    const { action } = values
    const { text, secrets }: CreditsAnswer =
      action === undefined
        ? { text: await ownCredits(core, call, words) }
        : await adminCredits({ core, call, words, values }, action)
    const rows = action === undefined ? await buyButtons(core, call) : []
    const buttons = rows.length > 0 ? rows : undefined
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true, buttons, secrets }
  },
})

async function ownCredits(core: Core, call: Call, words: Words): Promise<string> {
  const userId = await accountOf(core, call.from)
  const [account, pool, entries, invitation] = await Promise.all([
    readAccount(core, userId),
    poolLine(core, call, words),
    entryLines(core, words, { userId, limit: shownEntries }),
    invitationLine({ core, call, words }, userId),
  ])
  const { price, title: model } = namedModel(core.models.all(), core.models.preferred())
  const debt = account.debt > 0 ? [words.wallet.debt(account.debt)] : []
  return [words.balance({ ...account, price, model }), ...debt, ...pool, ...entries, ...invitation].join('\n')
}

/** Of the group where the person asks. */
async function poolLine(core: Core, { surface, place, from }: Call, words: Words): Promise<string[]> {
  const pool = await poolOf(core, { surface, place, member: from.id })
  return pool && (pool.id !== null || pool.cap > 0) ? [words.wallet.pool(pool)] : []
}

interface Asking {
  core: Core
  call: Call
  words: Words
}

async function invitationLine({ core, call, words }: Asking, userId: string): Promise<string[]> {
  const { referral: credits } = core.limits
  if (credits === 0) return []
  const code = `${referralPrefix}${await referralCodeOf(core, userId)}`
  const link = core.surfaces.get(call.surface)?.deepLink?.(code)
  return [
    '',
    link === undefined ? words.wallet.inviteByCode({ code, credits }) : words.wallet.inviteByLink({ link, credits }),
  ]
}
