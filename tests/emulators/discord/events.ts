/** Sends MESSAGE_CREATE, MESSAGE_UPDATE and MESSAGE_DELETE to the gateway sessions that have the intents for them. */
import { type Gateway, INTENT } from './gateway.ts'
import type { Messages, StoredMessage } from './messages.ts'
import { memberJson, type World } from './world.ts'

const EVENT = { create: 'MESSAGE_CREATE', edit: 'MESSAGE_UPDATE' }

export function announceMessage(
  { gateway, world, messages }: { gateway: Gateway; world: World; messages: Messages },
  kind: 'create' | 'edit' | 'remove',
  message: StoredMessage,
) {
  const { id, guildId, author, channelId } = message
  const intent = guildId ? INTENT.guildMessages : INTENT.directMessages
  if (message.ephemeral || !gateway.wants(intent)) return
  const guild = guildId ? { guild_id: guildId } : {}
  if (kind === 'remove') {
    gateway.dispatch({ t: 'MESSAGE_DELETE', d: { id, channel_id: channelId, ...guild }, guildId, intent })
    return
  }
  const { user: _user, ...member } = memberJson(author)
  const d = { ...messages.toJson(message), ...guild, ...(guildId ? { member } : {}) }
  const isAddressed = !guildId || author === world.bot || message.mentions.includes(world.bot.id)
  const withoutContent = isAddressed ? d : { ...d, content: '', embeds: [], attachments: [], components: [] }
  gateway.dispatch({ t: EVENT[kind], d, guildId, intent, withoutContent })
}
