/** `/link` shows a code, and `/link code` asks before this person's account is joined with the one that showed it. */
import { askToJoin, codeMinutes, createLinkCode } from '../../../core/accounts/link-codes.ts'
import { button } from '../../../core/chats/buttons.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import { defineCommand } from '../../command.ts'
import { isOperator } from '../../web/access.ts'

export const linkCommand = defineCommand({
  name: 'link',
  needs: 'everyone',
  audience: 'private',
  options: { code: { type: 'text', rest: true, secret: true } },
  async run({ core, call, words, values: { code: entered } }) {
    const { locale } = call
    // all its rights come with the browser, which any administrator may have signed in
    if (isOperator(call.from.id)) throw new AppError('link_operator')
    if (entered !== undefined) {
      const { people, ref } = await askToJoin(core, call, entered)
      const text = words.linking.sure({ people: people.map((person) => words.linking.person(person)) })
      const buttons = [[button('joinaccounts', ref, { style: 'danger' })]]
      return { locale, state: 'info', content: { kind: 'text', text }, buttons, private: true, secrets: [ref] }
    }
    const code = await createLinkCode(core, call)
    const text = words.linking.code({ code, minutes: codeMinutes, links: linksFor(core, code) })
    // only the person may see the code, also in a group
    return {
      locale,
      state: 'info',
      content: { kind: 'text', text },
      private: true,
      confidential: true,
      secrets: [code],
    }
  },
})

/** Links that enter the code, on platforms that have such links. */
function linksFor({ surfaces }: Core, code: string): string[] {
  return [...surfaces.values()].flatMap((surface) => surface.deepLink?.(`link_${code}`) ?? [])
}
