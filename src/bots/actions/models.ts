/** Turns the page of `/models`. `ref`: the page, from 1. */
import type { Action } from '../action.ts'
import { modelsReply } from '../lists/models.ts'

export const modelsAction: Action = {
  name: 'models',
  who: 'everyone',
  run: async ({ core, call, values: { ref } }) => modelsReply(core, { page: Number(ref) || 1, locale: call.locale }),
}
