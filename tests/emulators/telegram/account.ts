/** Methods about the bot and its chats: identity, updates, commands, chat members, files and answers to presses. */
import type { User } from '@grammyjs/types'
import { integerOf, isTrue, listOf, objectOf, textOf } from './body.ts'
import { badRequest, chatNotFound, conflict } from './errors.ts'
import type { Method } from './telegram.ts'
import type { CommandList, Json } from './types.ts'
import type { Room, World } from './world.ts'

const MAX_COMMANDS = 100

export const account: Record<string, Method> = {
  getMe: ({ world }) => ({
    ...world.bot,
    can_join_groups: true,
    can_read_all_group_messages: true,
    supports_inline_queries: true,
    can_connect_to_business: false,
    has_main_web_app: false,
  }),

  getUpdates({ updates, webhook }, { params, onClose }) {
    if (webhook.settings)
      throw conflict(
        "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
      )
    updates.allow(listOf(params, 'allowed_updates') as string[] | undefined)
    const [offset, limit] = [integerOf(params, 'offset'), integerOf(params, 'limit')]
    return updates.poll({ offset, limit, timeoutSeconds: integerOf(params, 'timeout'), onClose })
  },

  /** Accepts http URLs, as a self-hosted Bot API server does. */
  setWebhook(telegram, call) {
    const { updates, webhook } = telegram
    const url = textOf(call.params, 'url')
    if (url === '') return account.deleteWebhook!(telegram, call)
    if (!URL.canParse(url) || !/^https?:/.test(url)) throw badRequest('bad webhook: invalid webhook URL specified')
    const secretToken = textOf(call.params, 'secret_token')
    if (secretToken.length > 256) throw badRequest('secret token is too long')
    if (!/^[\w-]*$/.test(secretToken)) throw badRequest('secret token contains unallowed characters')

    updates.allow(listOf(call.params, 'allowed_updates') as string[] | undefined)
    if (isTrue(call.params, 'drop_pending_updates')) updates.clear()
    updates.terminate('terminated by setWebhook request')
    const maxConnections = Math.min(Math.max(integerOf(call.params, 'max_connections') ?? 40, 1), 100)
    webhook.set({ url, secretToken, maxConnections })
    return true
  },

  deleteWebhook({ updates, webhook }, { params }) {
    if (isTrue(params, 'drop_pending_updates')) updates.clear()
    webhook.remove()
    return true
  },

  getWebhookInfo({ updates, webhook: { settings, lastError } }) {
    return {
      url: settings?.url ?? '',
      has_custom_certificate: false,
      pending_update_count: updates.queue.length,
      ...(settings && { max_connections: settings.maxConnections }),
      ...(lastError && { last_error_date: lastError.date, last_error_message: lastError.message }),
      ...(updates.allowed && { allowed_updates: updates.allowed }),
    }
  },

  setMyCommands({ commands, world }, { params }) {
    const list = (listOf(params, 'commands') ?? []) as CommandList['commands']
    if (list.length > MAX_COMMANDS) throw badRequest('BOT_COMMANDS_TOO_MUCH')
    for (const { command, description } of list) {
      if (!/^\/?[a-z0-9_]{1,32}$/.test(command)) throw badRequest('BOT_COMMAND_INVALID')
      if (!description || description.length > 256) throw badRequest('BOT_COMMAND_DESCRIPTION_INVALID')
    }
    const { key, scope, languageCode } = commandScope(params)
    if (String(scope.type).startsWith('chat') && !world.room(Number(scope.chat_id))) throw chatNotFound()
    commands.set(key, { scope, languageCode, commands: list })
    return true
  },
  getMyCommands: ({ commands }, { params }) => commands.get(commandScope(params).key)?.commands ?? [],
  deleteMyCommands({ commands }, { params }) {
    commands.delete(commandScope(params).key)
    return true
  },

  getChat({ world }, { params }) {
    const { chat } = roomOf(world, params)
    const gifts = ['unlimited_gifts', 'limited_gifts', 'unique_gifts', 'premium_subscription', 'gifts_from_channels']
    const accepted = Object.fromEntries(gifts.map((name) => [name, chat.type === 'private']))
    return { ...chat, accent_color_id: 0, max_reaction_count: 11, accepted_gift_types: accepted }
  },

  getChatMember({ world }, { params }) {
    const room = roomOf(world, params)
    const user = world.person(integerOf(params, 'user_id') ?? 0)
    if (!user) throw badRequest('member not found')
    return memberJson(room, user)
  },

  getChatAdministrators({ world }, { params }) {
    const room = roomOf(world, params)
    if (room.chat.type === 'private') throw badRequest('there are no administrators in the private chat')
    return [...room.admins].map((userId) => memberJson(room, world.person(userId)!))
  },

  getFile({ files }, { params }) {
    const { fileId, uniqueId, size, path } = files.open(textOf(params, 'file_id'))
    return { file_id: fileId, file_unique_id: uniqueId, file_size: size, file_path: path }
  },

  answerCallbackQuery({ presses, answered, world }, { params }) {
    const url = textOf(params, 'url') || undefined
    const ownLink = `t.me/${world.bot.username}?`
    if (url && !url.replace(/^https?:\/\//, '').startsWith(ownLink)) throw badRequest('URL_INVALID')
    const text = textOf(params, 'text') || undefined
    presses.answer(textOf(params, 'callback_query_id'), { text, showAlert: isTrue(params, 'show_alert'), url })
    answered.fire()
    return true
  },

  // accepted without effect
  setMyName: () => true,
  setMyDescription: () => true,
  setMyShortDescription: () => true,
  setChatMenuButton: () => true,
  setMessageReaction({ world }, { params }) {
    const message = world.writable(params.chat_id).messages.get(integerOf(params, 'message_id') ?? 0)
    if (!message || message.deleted) throw badRequest('message to react not found')
    return true
  },
}

/** Also finds the chats of people who blocked the bot. */
function roomOf(world: World, params: Json): Room {
  const room = world.room(integerOf(params, 'chat_id') ?? 0)
  if (!room) throw chatNotFound()
  return room
}

function memberJson({ admins }: Room, user: User): Json {
  if (!admins.has(user.id)) return { status: 'member', user }
  const rights = [
    'can_be_edited',
    'is_anonymous',
    'can_manage_chat',
    'can_delete_messages',
    'can_manage_video_chats',
    'can_restrict_members',
    'can_promote_members',
    'can_change_info',
    'can_invite_users',
    'can_post_stories',
    'can_edit_stories',
    'can_delete_stories',
  ]
  const withheld = ['can_be_edited', 'is_anonymous']
  return {
    status: 'administrator',
    user,
    ...Object.fromEntries(rights.map((name) => [name, !withheld.includes(name)])),
  }
}

function commandScope(params: Json): { key: string; scope: Json; languageCode: string } {
  const scope = objectOf(params, 'scope') ?? { type: 'default' }
  const languageCode = textOf(params, 'language_code')
  if (!/^([a-z]{2})?$/.test(languageCode)) throw badRequest('invalid language code specified')
  const { type, chat_id: chatId = '', user_id: userId = '' } = scope
  return { key: `${type}:${chatId}:${userId}:${languageCode}`, scope, languageCode }
}
