/** Sends the stored pictures as they are: platforms compress what they show. */
import { resultOf } from '../../core/generation/result.ts'
import { originalFiles } from '../../core/results/show.ts'
import type { Action } from '../action.ts'

export const originalAction: Action = {
  name: 'original',
  who: 'viewer',
  answers: 'private',
  async run({ core, call, words, values: { ref } }) {
    const files = await originalFiles(core, call, await resultOf(core, ref))
    const content = { kind: 'text', text: words.originals(files.length) } as const
    const unclear = { content: { kind: 'text', text: words.originalsUnclear } } as const
    return { locale: call.locale, state: 'info', content, unclear, files, private: true, shows: ref }
  },
}
