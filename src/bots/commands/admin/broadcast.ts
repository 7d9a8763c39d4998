/** `/broadcast <text>`: shows an announcement, and who would get it. Without a text: how the one under way stands. */
import { broadcastUnderWay, draftBroadcast } from '../../../core/broadcasts/broadcasts.ts'
import { readStanding } from '../../../core/broadcasts/recipients.ts'
import { broadcastLooks, previewReply } from '../../broadcast/replies.ts'
import { defineCommand } from '../../command.ts'

export const broadcastCommand = defineCommand({
  name: 'broadcast',
  needs: 'admin',
  audience: 'private',
  // as it is written, with its lines
  options: { text: { type: 'prompt' } },
  async run({ core, call, values: { text = '' } }) {
    const said = text.trim()
    const underWay = said === '' ? await broadcastUnderWay(core, call) : undefined
    if (!underWay) return previewReply(core, await draftBroadcast(core, call, said), call)
    const { locale } = call
    return {
      ...broadcastLooks.status({ ...underWay, locale }, await readStanding(core, underWay.id)),
      private: true,
    }
  },
})
