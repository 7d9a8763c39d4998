/** `/ban @user [reason] [days]`: the person may draw no more, and what they have under way is cancelled. */
import { ban } from '../../../core/accounts/banning.ts'
import { callHash } from '../../../core/ids.ts'
import { shorten, utcText } from '../../../core/text.ts'
import { defineCommand } from '../../command.ts'
import { personOf } from './person.ts'

const maxDays = 3_650
const reasonLength = 200

export const banCommand = defineCommand({
  name: 'ban',
  needs: 'admin',
  audience: 'private',
  options: {
    user: { type: 'user', required: true },
    reason: { type: 'text', rest: true, max: reasonLength },
    days: { type: 'integer', min: 1, max: maxDays, last: true },
  },
  async run({ core, call, words, values: { user, reason, days } }) {
    const { userId, name } = await personOf(core, call, user)
    const { until, cancelled, ...said } = await ban(core, {
      userId,
      reason: reason && shorten(reason, reasonLength),
      days,
      actor: call.from.id,
      key: `ban:${callHash(core, call.key)}`,
    })
    const text = words.admin.banned({
      user: name,
      until: until ? utcText(until) : undefined,
      reason: said.reason ?? undefined,
      cancelled,
    })
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})
