/**
 * Discord on a local port: REST API, gateway and CDN. Works with discord.js and rejects what Discord rejects. Does not depend
 * on a test runner, so it can also run in a process of its own.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { createFaults, type Faults } from '../faults.ts'
import { createCdn } from './cdn.ts'
import { createEndpoint, type Endpoint } from './endpoint.ts'
import { announceMessage } from './events.ts'
import type { ModalValues } from './forms.ts'
import { createGateway, type Handshake } from './gateway.ts'
import { botToken, snowflake } from './ids.ts'
import { createInteractions, type LiveInteraction } from './interactions.ts'
import { createMessages, type StoredMessage, snapshot } from './messages.ts'
import { createOracle } from './oracle.ts'
import { createPeople, type SentExtras } from './people.ts'
import { createRestHandler, faultAnswers } from './rest.ts'
import { botRoutes } from './routes.ts'
import { createShop, type Shop } from './shop.ts'
import { createSignal } from './signal.ts'
import type { From, Interaction, Json, Message, OptionValue, Recorded, User } from './types.ts'
import { type Channel, createWorld, guildJson, type NewChannel, userJson } from './world.ts'

export type * from './types.ts'

export interface DiscordOptions {
  /** Default: any free port. */
  port?: number
  applicationId?: string
  token?: string
  /**
   * Discord's OpenAPI document; without the file nothing is checked against it.
   * Default: `discord-openapi.json` in `$FLUXBOT_SPECS`, else in `../shared/specs`.
   */
  specPath?: string
  /** Largest file, bytes. Default 10 MiB. */
  attachmentSizeLimit?: number
  /** Default 3 s. */
  acknowledgeWithinMs?: number
  /** Default 15 min. */
  tokenLifeMs?: number
  heartbeatMs?: number
  /** true: no GUILD_CREATE follows READY, as during an outage of guilds. */
  guildsUnavailable?: boolean
  /** Number of shards that GET /gateway/bot recommends. Default 1. */
  shards?: number
  /** Shards that may identify at once; earlier identifies are refused. Absent: as many as there are, and none is refused. */
  maxConcurrency?: number
  /** false: drop the bytes of the bot's files, for long runs. Default true. */
  keepBytes?: boolean
  /** Number of latest requests to keep, at least. Default: all. */
  keepRequests?: number
  /** Random numbers for faults with a probability. Default `Math.random`. */
  random?: () => number
}

export interface DiscordEmulator {
  /** Value for `rest.api` of discord.js and for DISCORD_API_URL. */
  apiUrl: string
  cdnUrl: string
  applicationId: string
  token: string
  botUser: User
  /** Default person, guild and channel of every act. */
  person: User
  guildId: string
  channelId: string
  requests: Recorded[]
  /** Violations of Discord's OpenAPI document and limits, in the bot's requests and the emulator's responses, without repeats. */
  violations: string[]
  faults: Faults
  /** Registered commands of a guild. Default: the global ones. */
  commands(guildId?: string): Json[]
  readonly commandPuts: number
  /** Waits until all shards of a bot are connected. */
  waitForBot(timeoutMs?: number): Promise<void>
  /** Waits until this many gateway sessions are open: with one shard, one for each bot process. */
  waitForGateways(count: number, timeoutMs?: number): Promise<void>
  waitForCommands(timeoutMs?: number): Promise<Json[]>

  slash(command: string, options?: Record<string, OptionValue>, from?: From): Interaction
  autocomplete(command: string, options: Record<string, OptionValue>, focused: string, from?: From): Interaction
  messageCommand(command: string, message: Message | string, from?: From): Interaction
  /**
   * Presses a button, found by its custom id or label. Default person: the one the message responds to. Throws if the person
   * does not see the message, or if the button is disabled or opens a link.
   */
  press(message: Message | string, button: string, from?: From): Interaction
  select(message: Message | string, customId: string, values: string[], from?: From): Interaction
  submitModal(opened: Interaction, values: ModalValues, from?: From): Interaction
  /** Sends MESSAGE_CREATE to bots with the intents for it. `<@${botUser.id}>` mentions the bot. */
  sendMessage(content: string, from?: From & SentExtras): Message
  dm(content: string, from?: From & SentExtras): Message
  /** Deletes a message of the bot or of a person, as a moderator does. */
  deleteMessage(message: Message | string): void
  /** What the app sells, and what people do there. */
  shop: Omit<Shop, 'routes'>
  /** Key that verifies what the emulator sends to an endpoint, what the endpoint answered, and headers with a signature. */
  endpoint: Pick<Endpoint, 'publicKey' | 'answers' | 'headersFor'>
  /** Sends interactions to this address in place of the gateway. `alsoGateway`: to both. undefined: to the gateway. */
  sendInteractionsTo(url: string | undefined, alsoGateway?: boolean): void
  /** Sends the same INTERACTION_CREATE again. Returns the number of receiving sessions. */
  redeliver(interaction: Interaction): number

  /** Whom Discord notified of a mention, in order. The edit of a message notifies no one. */
  notified: readonly { userId: string; messageId: string }[]
  /** Messages that are not deleted, oldest first, of one channel or of all. Deferred replies have `thinking: true`. */
  messages(channelId?: string): Message[]
  /** Messages of the bot that are not deleted, oldest first, of one channel or of all. */
  botMessages(channelId?: string): Message[]
  /** Resolves with a message that satisfies the predicate: a current one, or the next one that is created or edited. */
  waitForMessage(predicate: (message: Message) => boolean, timeoutMs?: number): Promise<Message>
  /** Returns the id of the new channel. */
  addChannel(channel?: NewChannel): string
  /** Id of the direct message channel with this user. */
  dmChannel(userId: string): string
  /** 50001: Missing Access. 50013: Missing Permissions. undefined: the bot may read and write again. */
  denyChannel(channelId: string, code: Channel['denied']): void
  /** Rejects all direct messages to this person with 50007. */
  closeDms(userId: string, closed?: boolean): void

  /** Lets the 3 s to acknowledge the interaction pass. */
  late(interaction: Interaction): void
  /** Lets the 15 min of the interaction's token pass. */
  expireToken(interaction: Interaction): void
  expireAttachment(attachmentId: string): void
  /** Terminates the gateway connections. Their sessions can resume. */
  dropGateway(): void
  /** Sends op 7, which asks clients to reconnect. */
  reconnectGateway(): void
  /** Sends op 9, invalid session. */
  invalidateSession(resumable?: boolean): void
  /** Terminates new gateway connections while true. */
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
  /** Shards whose identifies were refused because they came too early. */
  refusedIdentifies: readonly number[]
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
  let route: { url?: string; alsoGateway?: boolean } = {}

  const world = createWorld(applicationId)
  const cdn = createCdn(() => origin)
  const gateway = createGateway(server, {
    token,
    heartbeatMs: options.heartbeatMs ?? 41_250,
    guildsUnavailable: options.guildsUnavailable,
    maxConcurrency: options.maxConcurrency,
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
    sells: (sku) => shop.has(sku),
    changed(kind, message) {
      messageChanged.fire(message)
      announceMessage({ gateway, world, messages }, kind, message)
    },
  })
  const interactionApi = createInteractions({
    applicationId,
    world,
    messages,
    find: (wanted) => interactions.get(wanted),
    acknowledgeWithinMs: options.acknowledgeWithinMs ?? 3000,
    tokenLifeMs: options.tokenLifeMs ?? 15 * 60_000,
  })
  const endpoint = createEndpoint({ interactions: interactionApi, oracle, violate })
  const people = createPeople({
    applicationId,
    world,
    messages,
    gateway,
    cdn,
    attachmentSizeLimit,
    interactions,
    send: deliver,
    commands: (guildId) => [...(commands.get(guildId ?? '') ?? []), ...(commands.get('global') ?? [])],
  })
  const shop = createShop({
    applicationId,
    gateway,
    checkEvent: (d) => oracle?.response('GET', entitlementPath, 200, d),
    violate,
  })
  const routes = {
    ...interactionApi.routes,
    ...shop.routes,
    ...botRoutes({
      applicationId,
      world,
      messages,
      attachmentSizeLimit,
      gatewayUrl,
      shards: options.shards ?? 1,
      maxConcurrency: options.maxConcurrency,
      commandsChanged(scope, list, isPut) {
        commands.set(scope, list)
        if (isPut) commandPuts += 1
        commandsChanged.fire()
      },
    }),
  }
  server.on('request', createRestHandler({ routes, token, faults, cdn, oracle, keepBytes, violate, record }))

  /** Returns the number of receivers. */
  function deliver(interaction: LiveInteraction): number {
    if (route.url !== undefined) {
      void endpoint.deliver(route.url, interaction).catch((error) => violate(`the endpoint failed: ${error}`))
      if (!route.alsoGateway) return 1
    }
    const { payload: d, channel } = interaction
    return gateway.dispatch({ t: 'INTERACTION_CREATE', d, guildId: channel.guildId })
  }

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

  const { slash, autocomplete, messageCommand, press, select, submitModal, sendMessage, deleteMessage, redeliver } =
    people
  const shownMessages = (channelId?: string) => messages.list(channelId).map(snapshot)
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
    waitForBot: (timeoutMs) => gateway.ready(1, timeoutMs),
    waitForGateways: gateway.ready,
    waitForCommands: (timeoutMs = 60_000) =>
      commandsChanged.until(
        () => commands.get('global'),
        timeoutMs,
        () => `no commands were registered within ${timeoutMs} ms`,
      ),
    slash,
    autocomplete,
    messageCommand,
    press,
    select,
    submitModal,
    sendMessage,
    dm: (content, from = {}) => sendMessage(content, { ...from, guildId: null }),
    deleteMessage,
    redeliver,
    shop,
    endpoint,
    sendInteractionsTo(url, alsoGateway = false) {
      route = { url, alsoGateway }
    },
    notified: messages.notified,
    messages: shownMessages,
    botMessages: (channelId) => shownMessages(channelId).filter(({ author }) => author === world.bot),
    waitForMessage: (predicate, timeoutMs = 60_000) =>
      messageChanged.until(
        (changed) => {
          const candidates = changed ? [changed] : messages.list()
          const found = candidates.find((message) => !message.deleted && predicate(snapshot(message)))
          return found && snapshot(found)
        },
        timeoutMs,
        () => `no matching message within ${timeoutMs} ms; the latest ones: ${latestContents(messages.list())}`,
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
    refusedIdentifies: gateway.refusedIdentifies,
    gatewayAttempts: gateway.attempts,
    stop() {
      gateway.stop()
      server.closeAllConnections()
      return new Promise((stopped) => server.close(() => stopped()))
    },
  }
}

const entitlementPath = '/applications/{application_id}/entitlements/{entitlement_id}'

const defaultSpecs = () => resolve(import.meta.dirname, '../../../../shared/specs')

const latestContents = (list: StoredMessage[]) => JSON.stringify(list.slice(-5).map(({ content }) => content))
