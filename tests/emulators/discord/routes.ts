/** Routes for the bot token: identity, commands, channels and their messages. */
import {
  invalidForm,
  missingPermissions,
  notYourMessage,
  unknownCommand,
  unknownGuild,
  unknownMessage,
  unknownUser,
} from './errors.ts'
import { snowflake } from './ids.ts'
import type { MessageBody } from './limits.ts'
import type { Messages, StoredMessage } from './messages.ts'
import type { Call, Routes } from './rest.ts'
import type { Json } from './types.ts'
import { channelJson, guildJson, memberJson, userJson, type World } from './world.ts'

/** Discord documents only that a nonce is "checked for uniqueness in the past few minutes". */
const NONCE_LIFE_MS = 3 * 60_000

export interface BotRoutesOptions {
  applicationId: string
  world: World
  messages: Messages
  attachmentSizeLimit: number
  gatewayUrl: () => string
  /** Called after every change. `scope`: a guild id, or 'global'. `commands`: the new list. */
  commandsChanged: (scope: string, commands: Json[], isPut: boolean) => void
  shards: number
  maxConcurrency?: number
}

export function botRoutes(options: BotRoutesOptions): Routes {
  return { ...identityRoutes(options), ...commandRoutes(options), ...channelRoutes(options) }
}

function identityRoutes({
  applicationId,
  world,
  gatewayUrl,
  shards,
  maxConcurrency = shards,
}: BotRoutesOptions): Routes {
  const application = () => applicationJson(applicationId, world)
  return {
    'GET /gateway': () => ({ url: gatewayUrl() }),
    'GET /gateway/bot': () => ({
      url: gatewayUrl(),
      shards,
      session_start_limit: { total: 1000, remaining: 999, reset_after: 0, max_concurrency: maxConcurrency },
    }),
    'GET /users/@me': () => ({
      ...userJson(world.bot),
      mfa_enabled: true,
      locale: 'en-US',
      verified: true,
      email: null,
    }),
    'GET /users/{user_id}': ({ params }) => {
      const user = world.existingUser(params.user_id!)
      if (!user) throw unknownUser()
      return userJson(user)
    },
    'POST /users/@me/channels': ({ body }) => {
      if (!world.existingUser(String(body.recipient_id))) throw unknownUser()
      return channelJson(world.dm(String(body.recipient_id)), world)
    },
    'GET /applications/@me': application,
    'GET /oauth2/applications/@me': application,
    'GET /guilds/{guild_id}': ({ params }) => guildJson(guildOf(world, params), world),
    'GET /guilds/{guild_id}/members/{user_id}': ({ params }) => {
      const user = world.existingUser(params.user_id!)
      if (!user || !guildOf(world, params)) throw unknownUser()
      return memberJson(user)
    },
  }
}

function guildOf(world: World, params: Record<string, string>) {
  const guild = world.guild(params.guild_id!)
  if (!guild) throw unknownGuild()
  return guild
}

function commandRoutes({ applicationId, commandsChanged }: BotRoutesOptions): Routes {
  const scopes = new Map<string, Json[]>()
  const scopeOf = ({ params }: Call) => params.guild_id ?? 'global'
  const same = (a: Json, b: Json) => a.name === b.name && (a.type ?? 1) === (b.type ?? 1)

  function stored(command: Json, scope: string, before: Json[]): Json {
    return {
      type: 1,
      description: '',
      default_member_permissions: null,
      nsfw: false,
      ...command,
      id: before.find((old) => same(old, command))?.id ?? snowflake(),
      application_id: applicationId,
      version: snowflake(),
      ...(scope === 'global' ? {} : { guild_id: scope }),
    }
  }

  function list(call: Call): Json[] {
    return scopes.get(scopeOf(call)) ?? []
  }

  function save(call: Call, commands: Json[], isPut = false) {
    for (const [type, max] of [
      [1, 100],
      [2, 15],
      [3, 15],
    ] as const) {
      if (commands.filter((command) => command.type === type).length <= max) continue
      throw invalidForm(
        'name',
        'APPLICATION_COMMANDS_LIMIT',
        `Maximum number of application commands reached (${max}).`,
      )
    }
    const twice = commands.findIndex((command, i) => commands.some((other, j) => j < i && same(command, other)))
    if (twice >= 0) {
      const text = 'Application command names must be unique'
      throw invalidForm(`${twice}.name`, 'APPLICATION_COMMANDS_DUPLICATE_NAME', text)
    }
    scopes.set(scopeOf(call), commands)
    commandsChanged(scopeOf(call), commands, isPut)
  }

  function put(call: Call) {
    const bodies = call.body as unknown as Json[]
    if (!Array.isArray(bodies)) throw invalidForm('_', 'LIST_TYPE_CONVERT', 'Only iterables may be used in a ListType')
    save(
      call,
      bodies.map((body) => stored(body, scopeOf(call), list(call))),
      true,
    )
    return list(call)
  }

  function create(call: Call) {
    const command = stored(call.body, scopeOf(call), list(call))
    const others = list(call).filter((other) => !same(other, command))
    const isNew = others.length === list(call).length
    save(call, [...others, command])
    return isNew ? ({ status: 201, body: command } as const) : command
  }

  function remove(call: Call) {
    const kept = list(call).filter(({ id }) => id !== call.params.command_id)
    if (kept.length === list(call).length) throw unknownCommand()
    save(call, kept)
    return undefined
  }

  function show(call: Call) {
    const command = list(call).find(({ id }) => id === call.params.command_id)
    if (!command) throw unknownCommand()
    return command
  }

  const routesIn = (base: string): Routes => ({
    [`GET ${base}`]: list,
    [`PUT ${base}`]: put,
    [`POST ${base}`]: create,
    [`GET ${base}/{command_id}`]: show,
    [`DELETE ${base}/{command_id}`]: remove,
  })
  return {
    ...routesIn('/applications/{application_id}/commands'),
    ...routesIn('/applications/{application_id}/guilds/{guild_id}/commands'),
  }
}

function channelRoutes({ applicationId, world, messages, attachmentSizeLimit }: BotRoutesOptions): Routes {
  const nonces = new Map<string, StoredMessage>()

  function send({ params, body, files }: Call) {
    const channel = world.writable(params.channel_id!)
    const { nonce, enforce_nonce: enforce, flags } = body as MessageBody
    const earlier = enforce && nonce != null ? nonces.get(String(nonce)) : undefined
    if (earlier && Date.now() - earlier.createdAt < NONCE_LIFE_MS) {
      if (earlier.deleted) throw unknownMessage() // Discord does not create a message again after it was deleted
      return messages.toJson(earlier)
    }
    const message = messages.create({
      channel,
      author: world.bot,
      body,
      files,
      limitBytes: attachmentSizeLimit,
      flags: (flags ?? 0) & ((1 << 2) | (1 << 12) | (1 << 15)),
      applicationId,
      replyTo: referenced(body as MessageBody, channel.id),
    })
    if (nonce != null) nonces.set(String(nonce), message)
    return messages.toJson(message)
  }

  function referenced({ message_reference: reference }: MessageBody, channelId: string): StoredMessage | undefined {
    if (!reference?.message_id) return undefined
    const message = messages.get(reference.message_id)
    if (message && !message.deleted && message.channelId === channelId) return message
    if (reference.fail_if_not_exists === false) return undefined
    throw invalidForm('message_reference', 'REPLIES_UNKNOWN_MESSAGE', 'Unknown message')
  }

  /** Returns the message for the bot token, which cannot access ephemeral messages. */
  function visible(params: Record<string, string>): StoredMessage {
    const channel = world.readable(params.channel_id!)
    const message = messages.get(params.message_id!)
    if (!message || message.deleted || message.ephemeral || message.channelId !== channel.id) throw unknownMessage()
    return message
  }

  function edit({ params, body, files }: Call) {
    const message = visible(params)
    if (message.author !== world.bot) throw notYourMessage()
    return messages.toJson(messages.edit(message, { body, files, limitBytes: attachmentSizeLimit }))
  }

  function remove({ params }: Call) {
    const message = visible(params)
    if (message.author !== world.bot) throw missingPermissions()
    messages.remove(message)
    return undefined
  }

  function latest({ params, query }: Call) {
    const { id } = world.readable(params.channel_id!)
    const seen = messages.list(id).filter(({ ephemeral }) => !ephemeral)
    return seen
      .slice(-Number(query.limit ?? 50))
      .reverse()
      .map(messages.toJson)
  }

  return {
    'GET /channels/{channel_id}': ({ params }) => channelJson(world.readable(params.channel_id!), world),
    'GET /channels/{channel_id}/messages': latest,
    'POST /channels/{channel_id}/messages': send,
    'GET /channels/{channel_id}/messages/{message_id}': ({ params }) => messages.toJson(visible(params)),
    'PATCH /channels/{channel_id}/messages/{message_id}': edit,
    'DELETE /channels/{channel_id}/messages/{message_id}': remove,
    'POST /channels/{channel_id}/typing': ({ params }) => void world.writable(params.channel_id!),
  }
}

function applicationJson(id: string, world: World): Json {
  return {
    id,
    name: world.bot.username,
    icon: null,
    description: '',
    type: null,
    bot: userJson(world.bot),
    bot_public: true,
    bot_require_code_grant: false,
    verify_key: '0'.repeat(64),
    flags: 0,
    flags_new: '0',
    redirect_uris: [],
    interactions_endpoint_url: null,
    role_connections_verification_url: null,
    owner: userJson(world.person),
    approximate_guild_count: world.guilds().length,
    approximate_user_install_count: 0,
    approximate_user_authorization_count: 0,
    explicit_content_filter: 0,
    team: null,
    eligible_oauth2_scopes: [],
    integration_types_config: { '0': {}, '1': {} },
  }
}
