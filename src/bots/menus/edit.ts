/** Edits the result that a message shows, as the button below it does. Any other picture becomes the input of a new request. */
import { AppError } from '../../core/errors.ts'
import { resultOf } from '../../core/generation/result.ts'
import { assertViewer } from '../../core/results/access.ts'
import { editAction } from '../actions/edit.ts'
import type { Answer, Asked } from '../command.ts'
import { inputMenu } from './input.ts'
import type { Chosen, Menu } from './menu.ts'

export const editMenu: Menu = {
  name: 'edit',
  opensForm: true,
  run: async (asked) => (await editOfResult(asked)) ?? inputMenu.run(asked),
}

/** undefined: the message shows no result that the person may edit. */
async function editOfResult(asked: Asked<Chosen>): Promise<Answer | undefined> {
  const { core, call, parent } = asked
  if (!parent || !editAction.form || !(await mayView(asked, parent.id))) return undefined
  const result = await resultOf(core, parent.id)
  const form = await editAction.form.make({ ...asked, values: { ref: result.id, fields: {} }, images: [] })
  const content = { kind: 'text', text: form.title } as const
  return { locale: call.locale, state: 'info', content, private: true, form, confidential: result.private }
}

async function mayView({ core, call }: Asked<Chosen>, id: string): Promise<boolean> {
  try {
    await assertViewer(core, call, id)
    return true
  } catch (error) {
    if (error instanceof AppError && error.kind === 'unknown_button') return false
    throw error
  }
}
