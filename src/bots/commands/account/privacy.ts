/** `/privacy`: what is kept about the person. `/privacy export` gives a link to all of it, `/privacy delete` closes the account. */
import { defineCommand } from '../../command.ts'
import { aboutReply, exportReply, sureReply } from '../../privacy/replies.ts'

export const privacyCommand = defineCommand({
  name: 'privacy',
  needs: 'everyone',
  audience: 'private',
  options: { action: { type: 'choice', choices: ['export', 'delete'] } },
  async run({ core, call, values: { action } }) {
    if (action === 'export') return exportReply(core, call)
    if (action === 'delete') return sureReply(core, call)
    return aboutReply(core, call)
  },
})
