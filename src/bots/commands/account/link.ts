/** `/link` shows a code, and `/link code` joins this person's account with the one that showed it. */
import { codeMinutes, createLinkCode, useLinkCode } from '../../../core/accounts/link-codes.ts'
import type { Core } from '../../../core/core.ts'
import { defineCommand } from '../../command.ts'

export const linkCommand = defineCommand({
  name: 'link',
  needs: 'everyone',
  audience: 'private',
  options: { code: { type: 'text', rest: true } },
  async run({ core, call, words, values: { code: entered } }) {
    const { locale } = call
    if (entered !== undefined) {
      const { people, ...joined } = await useLinkCode(core, call, entered)
      const text = words.linking.joined({ ...joined, people: people.map((person) => words.linking.person(person)) })
      return { locale, state: 'info', content: { kind: 'text', text }, private: true }
    }
    const code = await createLinkCode(core, call)
    const text = words.linking.code({ code, minutes: codeMinutes, links: linksFor(core, code) })
    // only the person may see the code, also in a group
    return { locale, state: 'info', content: { kind: 'text', text }, private: true, confidential: true }
  },
})

/** Links that enter the code, on platforms that have such links. */
function linksFor({ surfaces }: Core, code: string): string[] {
  return [...surfaces.values()].flatMap((surface) => surface.deepLink?.(`link_${code}`) ?? [])
}
