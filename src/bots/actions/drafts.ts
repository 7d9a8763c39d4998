/** The choice below a prompt that the bot wrote: draw it, draw the person's own words, or edit it first. Only the asker may choose. */
import { type DraftChoice, readDraft, standsIn, submitDraft } from '../../core/generation/drafts.ts'
import { promptOf, waitingReply } from '../../core/generation/replies.ts'
import { promptLimit } from '../../core/request/parse.ts'
import type { Action, Pressed } from '../action.ts'
import type { Answer, Asked } from '../command.ts'
import { closedDraft } from '../drafts.ts'
import { formOf } from '../form.ts'

export const useEnhancedAction: Action = {
  name: 'useenhanced',
  who: 'everyone', // `readDraft` refuses other people
  run: (asked) => choose(asked, { kind: 'enhanced' }),
}

export const useOwnAction: Action = {
  name: 'useown',
  who: 'everyone',
  run: (asked) => choose(asked, { kind: 'own' }),
}

/** Below a prompt that `/describe` wrote. There are no own words, so this prompt is the only choice. */
export const drawAction: Action = { ...useOwnAction, name: 'draw' }

export const editDraftAction: Action = {
  name: 'editdraft',
  who: 'everyone',
  form: {
    audience: 'public',
    async make({ core, call, words, values: { ref } }) {
      const { prompt, enhanced = prompt } = await readDraft(core, call, ref)
      const field = { kind: 'text', value: enhanced, required: true, maxLength: promptLimit } as const
      return formOf(words, { action: 'editdraft', ref, fields: { prompt: field } })
    },
  },
  run: (asked) => choose(asked, { kind: 'words', prompt: asked.values.fields.prompt ?? '' }),
}

async function choose({ core, call, words, values: { ref } }: Asked<Pressed>, choice: DraftChoice): Promise<Answer> {
  const { locale } = call
  const draft = await readDraft(core, call, ref)
  const accepted = await submitDraft(core, { id: ref, choice, call })
  const waiting = { id: accepted.id, locale, request: accepted.request }
  const chosenIn = { posted: standsIn(call, draft), closed: closedDraft(words, locale, draft) }
  return { ...waitingReply(waiting, { kind: 'queued', prompt: promptOf(waiting) }), accepted, chosenIn }
}
