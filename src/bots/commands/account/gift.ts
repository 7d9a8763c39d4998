/** `/gift @user n`: gives credits of one's own. The answer is public, so that the other person can see it. */
import { accountOf } from '../../../core/accounts/accounts.ts'
import { give, maxGiftsPerDay } from '../../../core/billing/gifts.ts'
import { defineCommand } from '../../command.ts'
import { personOf } from '../admin/person.ts'

export const giftCommand = defineCommand({
  name: 'gift',
  needs: 'everyone',
  audience: 'public',
  options: {
    user: { type: 'user', required: true },
    amount: { type: 'integer', required: true, min: 1, max: maxGiftsPerDay },
  },
  async run({ core, call, words, values: { user, amount } }) {
    const from = await accountOf(core, call.from)
    const { userId: to, name } = await personOf(core, call, user)
    await give(core, { from, to, amount, key: call.key })
    const text = words.wallet.gift({ from: call.from.name, to: name, amount })
    return { locale: call.locale, state: 'info', content: { kind: 'text', text } }
  },
})
