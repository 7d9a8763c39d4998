/** `/history [page]`. */
import { accountOf } from '../../core/accounts/accounts.ts'
import { history, pageSize } from '../../core/history/history.ts'
import { shorten } from '../../core/text.ts'
import { defineCommand } from '../command.ts'

export const historyCommand = defineCommand({
  name: 'history',
  needs: 'everyone',
  audience: 'private',
  options: { page: { type: 'integer', min: 1, max: 100 } },
  async run({ core, call, words, values: { page = 1 } }) {
    const rows = await history(core, await accountOf(core, call.from), page)
    const lines = rows.map(({ createdAt, state, request }) =>
      words.historyLine({
        when: createdAt.toISOString().slice(0, 16).replace('T', ' '),
        state: words.states[state],
        prompt: shorten(request.prompt, 80),
        model: request.model,
        size: `${request.width}×${request.height}`,
      }),
    )
    const more = rows.length === pageSize ? [words.historyMore(page + 1)] : []
    const text = rows.length === 0 ? words.historyEmpty : [words.historyTitle(page), ...lines, ...more].join('\n')
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})
