/** `/redeem code`: credits for a code of an administrator. `/redeem ref_…`: notes who invited the person. */
import { accountOf } from '../../../core/accounts/accounts.ts'
import { redeemCode } from '../../../core/billing/codes.ts'
import { acceptInvitation, referralPrefix } from '../../../core/billing/referrals.ts'
import type { Core } from '../../../core/core.ts'
import type { Words } from '../../../locales/index.ts'
import { defineCommand } from '../../command.ts'

export const redeemCommand = defineCommand({
  name: 'redeem',
  needs: 'everyone',
  audience: 'private',
  options: { code: { type: 'text', required: true, rest: true, secret: true } },
  async run({ core, call, words, values: { code } }) {
    const userId = await accountOf(core, call.from)
    const text = code.startsWith(referralPrefix)
      ? await invited(core, words, { userId, code: code.slice(referralPrefix.length) })
      : await redeemed(core, words, { userId, code })
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})

interface Redemption {
  userId: string
  code: string
}

async function invited(core: Core, words: Words, { userId, code }: Redemption): Promise<string> {
  await acceptInvitation(core, userId, code)
  return words.wallet.invited(core.limits.referral)
}

async function redeemed(core: Core, words: Words, { userId, code }: Redemption): Promise<string> {
  const given = await redeemCode(core, userId, code)
  const text = words.wallet.redeemed(given)
  return given.debt > 0 ? `${text}\n${words.wallet.debt(given.debt)}` : text
}
