/** The button under what `/link code` answers: joins the two accounts. */
import { joinAgreed } from '../../core/accounts/link-codes.ts'
import type { Action } from '../action.ts'

/** It is signed for the account that entered the code. A press that is repeated after a crash gets the same answer. */
export const joinAccountsAction: Action = {
  name: 'joinaccounts',
  who: 'everyone',
  async run({ core, call, words, values: { ref } }) {
    const { people, ...joined } = await joinAgreed(core, call, ref)
    const text = words.linking.joined({ ...joined, people: people.map((person) => words.linking.person(person)) })
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true, inPlace: true }
  },
}
