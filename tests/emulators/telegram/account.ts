/** Methods about the bot itself: who it is, its updates, its commands, files and answers. */
import { integerOf, isTrue, listOf, objectOf, textOf } from './body.ts'
import { badRequest, chatNotFound, conflict, queryTooOld } from './errors.ts'
import type { Method, Telegram } from './telegram.ts'
import type { CommandList, Json } from './types.ts'

const MAX_ANSWER = 200
const MAX_COMMANDS = 100

export const account: Record<string, Method> = {
  getMe: ({ world }) => ({
    ...world.bot,
    can_join_groups: true,
    can_read_all_group_messages: true,
    supports_inline_queries: false,
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

  /** A Bot API server of one's own takes plain http, and so does this one. */
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

  setMyCommands({ commands }, { params }) {
    const list = (listOf(params, 'commands') ?? []) as CommandList['commands']
    if (list.length > MAX_COMMANDS) throw badRequest('BOT_COMMANDS_TOO_MUCH')
    for (const { command, description } of list) {
      if (!/^\/?[a-z0-9_]{1,32}$/.test(command)) throw badRequest('BOT_COMMAND_INVALID')
      if (!description || description.length > 256) throw badRequest('BOT_COMMAND_DESCRIPTION_INVALID')
    }
    const { key, scope, languageCode } = commandScope(params)
    commands.set(key, { scope, languageCode, commands: list })
    return true
  },
  getMyCommands: ({ commands }, { params }) => commands.get(commandScope(params).key)?.commands ?? [],
  deleteMyCommands({ commands }, { params }) {
    commands.delete(commandScope(params).key)
    return true
  },

  getChat({ world }, { params }) {
    const chat = world.room(integerOf(params, 'chat_id') ?? 0)?.chat // also of people who blocked the bot
    if (!chat) throw chatNotFound()
    const gifts = ['unlimited_gifts', 'limited_gifts', 'unique_gifts', 'premium_subscription', 'gifts_from_channels']
    const accepted = Object.fromEntries(gifts.map((name) => [name, chat.type === 'private']))
    return { ...chat, accent_color_id: 0, max_reaction_count: 11, accepted_gift_types: accepted }
  },

  getFile({ files }, { params }) {
    const { fileId, uniqueId, size, path } = files.open(textOf(params, 'file_id'))
    return { file_id: fileId, file_unique_id: uniqueId, file_size: size, file_path: path }
  },

  answerCallbackQuery,

  // taken, and shown nowhere
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

function answerCallbackQuery({ presses, answered }: Telegram, { params }: { params: Json }): true {
  const press = presses.get(textOf(params, 'callback_query_id'))
  if (!press || press.expired) throw queryTooOld()
  const text = textOf(params, 'text')
  if (text.length > MAX_ANSWER) throw badRequest('MESSAGE_TOO_LONG')
  press.answer ??= {
    text: text || undefined,
    showAlert: isTrue(params, 'show_alert'),
    url: textOf(params, 'url') || undefined,
  }
  answered.fire()
  return true
}

function commandScope(params: Json): { key: string; scope: Json; languageCode: string } {
  const scope = objectOf(params, 'scope') ?? { type: 'default' }
  const languageCode = textOf(params, 'language_code')
  if (!/^([a-z]{2})?$/.test(languageCode)) throw badRequest('invalid language code specified')
  const { type, chat_id: chatId = '', user_id: userId = '' } = scope
  return { key: `${type}:${chatId}:${userId}:${languageCode}`, scope, languageCode }
}
