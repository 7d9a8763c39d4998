/** Turns the page of `/models`, and makes a model the person's default. */
import { readSettings } from '../../core/accounts/settings.ts'
import type { Action } from '../action.ts'
import { modelsReply } from '../lists/models.ts'
import { changeSettings } from '../settings/reply.ts'

/** `ref`: number of the page, from 1. */
export const modelsAction: Action = {
  name: 'models',
  who: 'everyone',
  run: async ({ core, call: { locale }, settings: { chosen }, values: { ref } }) =>
    modelsReply(core, { page: Number(ref) || 1, locale, chosen }),
}

/** `ref`: the id of the model. */
export const preferAction: Action = {
  name: 'prefer',
  who: 'everyone',
  async run({ core, call, values: { ref } }) {
    await changeSettings({ core, call, whose: 'own' }, { model: ref })
    const { chosen } = await readSettings(core, call)
    return modelsReply(core, { page: ref, locale: call.locale, chosen })
  },
}
