/** `/daily`: credits once a day. */
import { accountOf } from '../../../core/accounts/accounts.ts'
import { claimDaily } from '../../../core/billing/daily.ts'
import { utcText } from '../../../core/text.ts'
import { defineCommand } from '../../command.ts'

export const dailyCommand = defineCommand({
  name: 'daily',
  needs: 'everyone',
  audience: 'private',
  options: {},
  async run({ core, call, words }) {
    const daily = await claimDaily(core, await accountOf(core, call.from))
    const claimed = words.wallet.daily({ ...daily, nextAt: utcText(daily.nextAt) })
    const text = daily.debt > 0 ? `${claimed}\n${words.wallet.debt(daily.debt)}` : claimed
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})
