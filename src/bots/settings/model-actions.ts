/** Buttons that let models draw in a group. The people who manage it press them. */
import { ruleModel, ruleModels } from '../../core/chats/change-rules.ts'
import { chatOf } from '../../core/chats/rules.ts'
import { AppError } from '../../core/errors.ts'
import type { Action, ActionName, Pressed } from '../action.ts'
import type { Asked } from '../command.ts'
import { groupModelsReply } from './models.ts'

/** `ref`: 'here'. */
export const allowedAction = ofModels('allowed', ({ core, call }) => groupModelsReply(core, call, 1))

/** `ref`: number of the page, from 1. */
export const allowedPageAction = ofModels('allowedpage', ({ core, call, values: { ref } }) =>
  groupModelsReply(core, call, Number(ref) || 1),
)

/** `ref`: the id of the model. Each way has its own action, because an action may run twice for one press. */
export const allowAction = ofModels('allow', (asked) => change(asked, true))
export const forbidAction = ofModels('forbid', (asked) => change(asked, false))

/** `ref`: 'here'. */
export const allowAllAction = ofModels('allowall', async ({ core, call, chat }) => {
  await ruleModels(core, chat, null)
  return groupModelsReply(core, call, 1)
})

type AskedHere = Asked<Pressed> & {
  /** The group, as the rules name it. */
  chat: string
}

async function change({ core, call, chat, values: { ref } }: AskedHere, draws: boolean) {
  await ruleModel(core, chat, { model: ref, draws })
  return groupModelsReply(core, call, ref)
}

function ofModels(name: ActionName, run: (asked: AskedHere) => ReturnType<Action['run']>): Action {
  return {
    name,
    who: 'manager',
    async run(asked) {
      const chat = chatOf(asked.call)
      if (chat === undefined) throw new AppError('groups_only')
      return run({ ...asked, chat })
    },
  }
}
