/** `/unlink`: this chat's identity leaves the account that it shares with others. */
import { unlink } from '../../../core/accounts/unlink.ts'
import { defineCommand } from '../../command.ts'

export const unlinkCommand = defineCommand({
  name: 'unlink',
  needs: 'everyone',
  audience: 'private',
  options: {},
  async run({ core, call, words }) {
    await unlink(core, call)
    return {
      locale: call.locale,
      state: 'info',
      content: { kind: 'text', text: words.linking.unlinked },
      private: true,
    }
  },
})
