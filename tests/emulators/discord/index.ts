/**
 * Discord on a local port: REST, gateway and CDN, good enough for discord.js, strict enough to refuse what Discord refuses.
 * Nothing here knows a test runner, so it also runs as a process of its own.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { createFaults, type Faults } from '../faults.ts'
import { createCdn } from './cdn.ts'
import { announceMessage } from './events.ts'
import { createGateway, type Handshake } from './gateway.ts'
import { botToken, snowflake } from './ids.ts'
import { interactionRoutes, type LiveInteraction } from './interactions.ts'
import { createMessages, type StoredMessage, snapshot } from './messages.ts'
import { createOracle } from './oracle.ts'
import { createPeople, type ModalValues, type SentExtras } from './people.ts'
import { createRest, faultAnswers } from './rest.ts'
import { botRoutes } from './routes.ts'
import { createSignal } from './signal.ts'
import type { From, Interaction, Json, Message, OptionValue, Recorded, User } from './types.ts'
import { type Channel, createWorld, guildJson, userJson } from './world.ts'

export type * from './types.ts'

export interface DiscordOptions {
  /** Absent: any free one. */
  port?: number
  applicationId?: string
  token?: string
  /** Discord's OpenAPI. Absent: `$FLUXBOT_SPECS` or `../shared/specs`, `discord-openapi.json` in it. Not there: no checks. */
  specPath?: string
  /** Bytes per file. Default 10 MiB. */
  attachmentSizeLimit?: number
  /** Default 3 s and 15 min; shorter ones speed a test up. */
  acknowledgeWithinMs?: number
  tokenLifeMs?: number
  heartbeatMs?: number
  /** true: no GUILD_CREATE follows READY, as during an outage of guilds. */
  guildsUnavailable?: boolean
  /** What GET /gateway/bot recommends. */
  shards?: number
  /** false: forget the bytes of files the bot sent, for long runs. */
  keepBytes?: boolean
  /** Remember only about this many requests. Default: all. */
  keepRequests?: number
  /** For faults with a probability. */
  random?: () => number
}

export interface DiscordEmulator {
  /** For discord.js `rest.api` and DISCORD_API_URL. */
  apiUrl: string
  cdnUrl: string
  applicationId: string
  token: string
  botUser: User
  /** Who acts, in which guild and channel, when a test does not say. */
  person: User
  guildId: string
  channelId: string
  requests: Recorded[]
  /** What contradicts Discord's OpenAPI or its limits, in the bot's requests and in our answers. Each text once. */
  violations: string[]
  faults: Faults
  /** Registered commands of the global scope, or of a guild. */
  commands(guildId?: string): Json[]
  readonly commandPuts: number
  waitForBot(timeoutMs?: number): Promise<void>
  waitForCommands(timeoutMs?: number): Promise<Json[]>

  slash(command: string, options?: Record<string, OptionValue>, from?: From): Interaction
  autocomplete(command: string, options: Record<string, OptionValue>, focused: string, from?: From): Interaction
  messageCommand(command: string, message: Message | string, from?: From): Interaction
  button(message: Message | string, customId: string, from?: From): Interaction
  select(message: Message | string, customId: string, values: string[], from?: From): Interaction
  submitModal(opened: Interaction, values: ModalValues, from?: From): Interaction
  /** MESSAGE_CREATE, to bots with the intents for it. Mention the bot with `<@${botUser.id}>`. */
  sendMessage(content: string, from?: From & SentExtras): Message
  dm(content: string, from?: From & SentExtras): Message
  /** Sends the same INTERACTION_CREATE again. */
  redeliver(interaction: Interaction): number

  /** What is there now (deferred replies with `thinking: true`), oldest first. */
  messages(channelId?: string): Message[]
  waitForMessage(predicate: (message: Message) => boolean, timeoutMs?: number): Promise<Message>
  addChannel(channel?: { id?: string; guildId?: string | null; denied?: 50001 | 50013 }): string
  dmChannel(userId: string): string
  /** 50001 Missing Access, 50013 Missing Permissions, undefined: open again. */
  denyChannel(channelId: string, code: Channel['denied']): void
  /** 50007 for whatever the bot sends this person from now on. */
  closeDms(userId: string, closed?: boolean): void

  /** The interaction is past its 3 s. */
  late(interaction: Interaction): void
  /** The interaction's token is past its 15 min. */
  expireToken(interaction: Interaction): void
  expireAttachment(attachmentId: string): void
  /** Cuts the gateway connections; sessions stay resumable. */
  dropGateway(): void
  /** op 7. */
  reconnectGateway(): void
  /** op 9. */
  invalidateSession(resumable?: boolean): void
  /** Gateway connections are cut at once while true. */
  refuseGateway(refuse: boolean): void
  /** Closes the gateway connections with this close code: of one shard, or of all. */
  closeGateway(code: number, shard?: number): void
  /** While set, connections that identify are closed with this close code. */
  closeOnIdentify(code: number | undefined): void
  /** While true, heartbeats get no ACK. */
  ignoreHeartbeats(ignore: boolean): void
  connectedGateways(): number
  /** Accepted identifies and resumes, oldest first. */
  handshakes: readonly Handshake[]
  /** Wall clock times of gateway connection attempts in ms, refused ones included. */
  gatewayAttempts: readonly number[]
  stop(): Promise<void>
}

export async function startDiscord(options: DiscordOptions = {}): Promise<DiscordEmulator> {
  const applicationId = options.applicationId ?? snowflake(Date.now() - 400 * 24 * 3600_000)
  const token = options.token ?? botToken(applicationId)
  const { attachmentSizeLimit = 10 * 1024 * 1024, keepBytes = true, keepRequests = Number.POSITIVE_INFINITY } = options
  const specPath = options.specPath ?? join(process.env.FLUXBOT_SPECS ?? defaultSpecs(), 'discord-openapi.json')
  const oracle = await createOracle(specPath)

  const server = createServer()
  await new Promise<void>((started, failed) => {
    server.once('error', failed)
    server.listen(options.port ?? 0, '127.0.0.1', started)
  })
  const { port } = server.address() as AddressInfo
  const origin = `http://127.0.0.1:${port}`
  const gatewayUrl = () => `ws://127.0.0.1:${port}`

  const requests: Recorded[] = []
  const violations: string[] = []
  const faults = createFaults({ answers: faultAnswers, random: options.random })
  const interactions = new Map<string, LiveInteraction>()
  const commands = new Map<string, Json[]>()
  const commandsChanged = createSignal<void>()
  const messageChanged = createSignal<StoredMessage>()
  let commandPuts = 0

  const world = createWorld(applicationId)
  const cdn = createCdn(() => origin)
  const gateway = createGateway(server, {
    token,
    heartbeatMs: options.heartbeatMs ?? 41_250,
    guildsUnavailable: options.guildsUnavailable,
    url: gatewayUrl,
    hello: () => ({
      user: userJson(world.bot),
      application: { id: applicationId, flags: 0 },
      guilds: world.guilds().map((guild) => guildJson(guild, world)),
    }),
  })
  const messages = createMessages({
    world,
    cdn,
    keepBytes,
    warn: violate,
    changed(kind, message) {
      messageChanged.fire(message)
      announceMessage({ gateway, world, messages }, kind, message)
    },
  })
  const people = createPeople({
    applicationId,
    world,
    messages,
    gateway,
    cdn,
    attachmentSizeLimit,
    interactions,
    commands: (guildId) => [...(commands.get(guildId ?? '') ?? []), ...(commands.get('global') ?? [])],
  })
  const routes = {
    ...interactionRoutes({
      applicationId,
      world,
      messages,
      find: (wanted) => interactions.get(wanted),
      acknowledgeWithinMs: options.acknowledgeWithinMs ?? 3000,
      tokenLifeMs: options.tokenLifeMs ?? 15 * 60_000,
    }),
    ...botRoutes({
      applicationId,
      world,
      messages,
      attachmentSizeLimit,
      gatewayUrl,
      shards: options.shards ?? 1,
      commandsChanged(scope, list, isPut) {
        commands.set(scope, list)
        if (isPut) commandPuts += 1
        commandsChanged.fire()
      },
    }),
  }
  server.on('request', createRest({ routes, token, faults, cdn, oracle, keepBytes, violate, record }))

  function record(request: Recorded) {
    requests.push(request)
    if (requests.length > 2 * keepRequests) requests.splice(0, requests.length - keepRequests)
  }

  function violate(problem: string) {
    if (violations.length < 1000 && !violations.includes(problem)) violations.push(problem)
  }

  function age(interaction: Interaction, ms: number) {
    interactions.get(interaction.token)!.bornAt -= ms
  }

  const { slash, autocomplete, messageCommand, button, select, submitModal, sendMessage, redeliver } = people
  return {
    apiUrl: `${origin}/api`,
    cdnUrl: `${origin}/cdn`,
    applicationId,
    token,
    botUser: world.bot,
    person: world.person,
    ...world.home,
    requests,
    violations,
    faults,
    commands: (guildId = 'global') => commands.get(guildId) ?? [],
    get commandPuts() {
      return commandPuts
    },
    waitForBot: (timeoutMs) => gateway.ready(timeoutMs),
    waitForCommands: (timeoutMs = 10_000) =>
      commandsChanged.until(
        () => commands.get('global'),
        timeoutMs,
        () => `no commands were registered within ${timeoutMs} ms`,
      ),
    slash,
    autocomplete,
    messageCommand,
    button,
    select,
    submitModal,
    sendMessage,
    dm: (content, from = {}) => sendMessage(content, { ...from, guildId: null }),
    redeliver,
    messages: (channelId) => messages.list(channelId).map(snapshot),
    waitForMessage: (predicate, timeoutMs = 10_000) =>
      messageChanged.until(
        (changed) => {
          const candidates = changed ? [changed] : messages.list()
          const found = candidates.find((message) => !message.deleted && predicate(snapshot(message)))
          return found && snapshot(found)
        },
        timeoutMs,
        () => `no fitting message within ${timeoutMs} ms; the last ones: ${lastWords(messages.list())}`,
      ),
    addChannel: (channel = {}) => people.open(channel).id,
    dmChannel: (userId) => world.dm(userId).id,
    denyChannel(channelId, code) {
      world.channel(channelId)!.denied = code
    },
    closeDms: (userId, closed = true) => world.closeDms(userId, closed),
    late: (interaction) => age(interaction, (options.acknowledgeWithinMs ?? 3000) + 1),
    expireToken: (interaction) => age(interaction, (options.tokenLifeMs ?? 15 * 60_000) + 1),
    expireAttachment: cdn.expire,
    dropGateway: gateway.drop,
    reconnectGateway: gateway.reconnect,
    invalidateSession: (resumable = false) => gateway.invalidate(resumable),
    refuseGateway: gateway.refuse,
    closeGateway: gateway.close,
    closeOnIdentify: gateway.closeOnIdentify,
    ignoreHeartbeats: gateway.ignoreHeartbeats,
    connectedGateways: gateway.connected,
    handshakes: gateway.handshakes,
    gatewayAttempts: gateway.attempts,
    stop() {
      gateway.stop()
      server.closeAllConnections()
      return new Promise((stopped) => server.close(() => stopped()))
    },
  }
}

const defaultSpecs = () => resolve(import.meta.dirname, '../../../../shared/specs')

const lastWords = (list: StoredMessage[]) => JSON.stringify(list.slice(-5).map(({ content }) => content))
