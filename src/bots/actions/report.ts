/** Reports a result to the administrators. */
import { accountOf } from '../../core/accounts/accounts.ts'
import { reachableAdmins } from '../../core/chats/admins.ts'
import { report } from '../../core/results/reports.ts'
import type { Action } from '../action.ts'
import { formOf } from '../form.ts'

const longestReason = 500

export const reportAction: Action = {
  name: 'report',
  who: 'viewer',
  form: {
    audience: 'private',
    make: async ({ words, values: { ref } }) =>
      formOf(words, { action: 'report', ref, fields: { reason: { kind: 'text', maxLength: longestReason } } }),
  },
  async run({ core, call, words, values: { ref, fields } }) {
    const userId = await accountOf(core, call.from)
    await report(core, { userId, generationId: ref, reason: fields.reason ?? '' })
    const text = reachableAdmins(core).length > 0 ? words.reactions.reported : words.reactions.reportKept
    const content = { kind: 'text', text } as const
    return { locale: call.locale, state: 'info', content, private: true }
  },
}
