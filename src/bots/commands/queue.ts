/** `/queue`: the person's requests under way, and how busy the providers are. */
import { accountOf } from '../../core/accounts/accounts.ts'
import { defineCommand } from '../command.ts'
import { queueReply } from '../lists/queue.ts'

export const queueCommand = defineCommand({
  name: 'queue',
  needs: 'everyone',
  audience: 'private',
  options: {},
  run: async ({ core, call }) => queueReply(core, call, await accountOf(core, call.from)),
})
