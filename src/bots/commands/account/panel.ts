/** `/panel`: a link that signs one browser in to the page. `/panel end` signs out all browsers of the account. */
import { accountOf } from '../../../core/accounts/accounts.ts'
import { closeSessionsOf, createPanelLink, panelMinutes } from '../../../core/accounts/sessions.ts'
import { AppError } from '../../../core/errors.ts'
import { defineCommand } from '../../command.ts'

export const panelCommand = defineCommand({
  name: 'panel',
  needs: 'everyone',
  privateOnly: true,
  audience: 'private',
  options: { action: { type: 'choice', choices: ['end'] } },
  async run({ core, call, words, values: { action } }) {
    const userId = await accountOf(core, call.from)
    if (action === 'end') {
      const text = words.panel.ended(await closeSessionsOf(core, userId))
      return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
    }
    if (!call.isPrivate) throw new AppError('privately_only')
    const token = await createPanelLink(core, call.from.id, call.key)
    // behind '#', which browsers and link previews do not send, so that only the page's button uses the link
    const text = words.panel.link(`${core.publicUrl}/#panel=${token}`, panelMinutes)
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true, secrets: [token] }
  },
})
