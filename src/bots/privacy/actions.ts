/** Buttons of `/privacy`: export what is kept, and delete the account, in two presses. */
import { accountIfAny } from '../../core/accounts/accounts.ts'
import { closeAccount } from '../../core/privacy/close.ts'
import { assertConfirmed } from '../../core/privacy/confirmation.ts'
import type { Action } from '../action.ts'
import { exportReply, said, sureReply } from './replies.ts'

export const exportAction: Action = {
  name: 'exportdata',
  who: 'everyone',
  answers: 'private',
  run: ({ core, call }) => exportReply(core, call),
}

export const closeAction: Action = {
  name: 'closeaccount',
  who: 'everyone',
  answers: 'private',
  run: ({ core, call }) => sureReply(core, call),
}

/** It is signed for one account. A press that is repeated after a crash finds the account closed, and opens no other. */
export const closeForGoodAction: Action = {
  name: 'closeforgood',
  who: 'everyone',
  async run({ core, call, words, values: { ref } }) {
    const userId = await accountIfAny(core, call.from)
    if (userId !== undefined) {
      assertConfirmed(core, userId, ref)
      await closeAccount(core, userId)
    }
    return { ...said(call.locale, words.privacy.deleted), inPlace: true }
  },
}

export const keepAccountAction: Action = {
  name: 'keepaccount',
  who: 'everyone',
  run: async ({ call, words }) => ({ ...said(call.locale, words.privacy.kept), inPlace: true }),
}
