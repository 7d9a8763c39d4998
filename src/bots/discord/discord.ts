/** Discord: slash commands, buttons, direct messages, and messages that mention the bot. */
import {
  type APIInteraction,
  type APIMessage,
  type GatewayMessageCreateDispatchData,
  InteractionResponseType,
  InteractionType,
  Routes,
} from 'discord-api-types/v10'
import type { FastifyPluginAsync } from 'fastify'
import { createChatPace } from '../../core/chats/pace.ts'
import { splitName } from '../../core/ids.ts'
import type { Address, Call, ChatSurface, Posted, Reply, SentMessages } from '../../core/ports/chat.ts'
import type { Database } from '../../db/database.ts'
import type { Json } from '../../db/json.ts'
import type { Log } from '../../log.ts'
import { within } from '../../net/within.ts'
import type { Action } from '../action.ts'
import type { Rounds } from '../buying/rounds.ts'
import { createDownloads } from '../downloads.ts'
import { type Inbox, openInbox } from '../inbox.ts'
import { type Received, storeActs } from '../inbox-store.ts'
import { addressOf, needsPressFrom, recorded, targetOf } from './address.ts'
import { callOfInteraction, callOfMessage, concernsUs, type Interaction, isMenu } from './calls.ts'
import { createGateway, type Gateway, type ShardRange } from './gateway/gateway.ts'
import { interactionsRoute } from './http.ts'
import { attachmentHosts, attachments } from './images.ts'
import { mentionAfterLongWait } from './mention.ts'
import { keepPicked, type Picked, pickedIn, readPicked } from './menus.ts'
import { fileLimitsOf } from './message.ts'
import { withPlace } from './place.ts'
import { actsOfEvent, type StoredEntitlement, type StoredItem } from './purchases/events.ts'
import { compareItem, keepComparing } from './purchases/reconcile.ts'
import { settle } from './purchases/settle.ts'
import { createShop } from './purchases/shop.ts'
import { createReceiver, type StoredInteraction } from './receive.ts'
import { commandDefinitions, type Registration, register } from './register.ts'
import { createRest, directChannel, reasonOf } from './rest/api.ts'
import { createOpenRequests, type FirstAnswer } from './rest/open-requests.ts'
import { changeButtons, edit, openDirect, type Placed, post, take } from './send.ts'

export interface DiscordOptions extends Omit<Registration, 'applicationId'> {
  token: string
  /** Used to notice a mix-up only: Discord says which application the token belongs to. */
  applicationId?: string
  /** Gateway shards of this process. Absent: all. */
  shards?: ShardRange
  /** Verifies interactions that Discord sends by HTTP. Absent: they are not taken. */
  publicKey?: string
  /** https://discord.com/api */
  apiUrl: string
  database: Database
  log: Log
  actions: readonly Action[]
  /** Answers what a person types with choices. It works in every process, before `start` too. Absent: there are none. */
  suggest?(call: Call): Promise<void>
  /** Origins besides Discord's own and that of `apiUrl` from which attachments are downloaded. */
  cdnOrigins?: readonly string[]
  /** How long `start` waits for Discord; after that it connects in the background. Default: 30 s. */
  startWithinMs?: number
}

const stopWithinMs = 10_000
const registerAgainMs = 60_000
const checkCommandsMs = 5_000
/** An interaction can be answered for 15 minutes; a message waits no longer than that either. */
const answerableSeconds = 14 * 60

/** Discord allows about 5 edits in 5 s in a channel. The others are left to answers and results. */
const channelPace = [{ calls: 3, ms: 5_000 }]

type Handle = (call: Call) => Promise<void>

/** What the inbox keeps of what a person did. */
type Stored = StoredInteraction | { kind: 'message'; message: GatewayMessageCreateDispatchData; botId: string }

export interface Discord extends ChatSurface {
  /** Where Discord sends interactions by HTTP, in any process, started or not. Absent: there is no public key. */
  plugin?: FastifyPluginAsync
}

export function createDiscord(options: DiscordOptions): Discord {
  const { database, log, startWithinMs = 30_000 } = options
  const openRequests = createOpenRequests()
  const api = createRest({ ...options, openRequests })
  const pace = createChatPace(database)
  const trusted = [new URL(options.apiUrl).origin, ...(options.cdnOrigins ?? [])]
  const source = { origins: [...attachmentHosts, ...trusted], downloads: createDownloads(trusted) }
  const load = (given: Parameters<typeof attachments>[0]) => attachments(given, source)
  const receiver = createReceiver({
    ...options,
    api,
    offers: { ...options, load },
    store: (acts) => store(acts),
    show: (call, reply) => show(call.address, reply),
    giveUp: openRequests.giveUp,
  })
  const purchases = {
    api,
    shop: createShop({ api, database, log }),
    database,
    log,
    store: (acts: readonly Received[]) => store(acts),
  }
  const registering = new AbortController()
  let gateway: Gateway | undefined
  let inbox: Inbox | undefined
  let stopping = false
  let registered = ''
  let watching: NodeJS.Timeout | undefined
  let comparing: Rounds | undefined

  async function start(handle: Handle): Promise<void> {
    inbox = await openInbox({
      database,
      name: 'discord',
      log,
      oldestSeconds: answerableSeconds,
      handle: ([body]) => handleStored(body as unknown as Stored | StoredEntitlement | StoredItem, handle),
    })
    gateway = createGateway({
      ...options,
      onInteraction: (interaction) => void receiver.receive(interaction),
      onMessage: (message) => void receiveMessage(message),
      onPurchase: (event) => void keep(actsOfEvent(event)),
    })
    const accepted = gateway.open().then(({ applicationId }) => {
      comparing = stopping ? undefined : keepComparing(purchases)
      return introduce(applicationId)
    })
    if ((await within(startWithinMs, accepted)) !== 'late') return
    log.warn({}, 'Discord has not answered yet; starting without it')
    accepted.catch((error) => stopping || log.error({ reason: reasonOf(error) }, 'Discord does not accept the bot'))
  }

  async function handleStored(stored: Stored | StoredEntitlement | StoredItem, handle: Handle): Promise<void> {
    if (stored.kind === 'entitlement') return settle(purchases, stored, handle)
    if (stored.kind === 'item') return compareItem(purchases, stored)
    const call = await callOf(stored)
    if (call) await handle(await withPlace(api, database, call))
  }

  /** If it fails, the commands that are registered already still work. */
  async function introduce(applicationId: string): Promise<void> {
    if (options.applicationId && options.applicationId !== applicationId) {
      log.warn({ applicationId }, 'DISCORD_APP_ID is not the application that DISCORD_TOKEN belongs to')
    }
    const definitions = () => JSON.stringify(commandDefinitions(options))
    registered = definitions()
    watching ??= setInterval(() => {
      // the choices follow the models, which come and go
      if (definitions() !== registered) void introduce(applicationId)
    }, checkCommandsMs).unref()
    try {
      const outcome = await register(api, { ...options, applicationId })
      log.info({ applicationId, commands: outcome }, 'connected to Discord')
    } catch (error) {
      log.error({ reason: reasonOf(error) }, 'could not register the commands with Discord')
      if (api.toAppError(error).retry && !stopping) retryLater(() => void introduce(applicationId))
    }
  }

  function retryLater(action: () => void): void {
    const timer = setTimeout(action, registerAgainMs)
    timer.unref()
    registering.signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  }

  /** A process that listens for requests of Discord alone has no inbox: those that handle acts find them there. */
  const store = (acts: readonly Received[]) => inbox?.store(acts) ?? storeActs(database, 'discord', acts)

  async function show(address: Address, reply: Reply, sent?: SentMessages): Promise<Posted> {
    const target = targetOf(address)
    try {
      return await ended(await purchases.shop.sendReply(reply, (shown) => post(api, target, shown)), reply, sent)
    } finally {
      if (target.kind === 'interaction') receiver.answered(target.interactionId)
    }
  }

  async function ended(placed: Placed, reply: Reply, sent?: SentMessages): Promise<Posted> {
    const posted = await recorded(placed, reply, sent)
    await mentionAfterLongWait({ api, log }, placed, { reply, sent })
    return posted
  }

  async function receiveMessage(message: GatewayMessageCreateDispatchData): Promise<void> {
    const botId = gateway?.botId() ?? ''
    if (stopping || !concernsUs(message, botId)) return
    const body: Stored = { kind: 'message', message, botId }
    const lane = `${message.channel_id}:${message.author.id}`
    await keep([{ key: `discord:${message.id}`, lane, body: body as unknown as Json }])
  }

  async function keep(acts: readonly Received[]): Promise<void> {
    await store(acts).catch((error: unknown) =>
      log.error({ err: error }, 'could not store what a person did on Discord'),
    )
  }

  /** undefined: the interaction can no longer be answered. */
  async function callOf(stored: Stored): Promise<Call | undefined> {
    if (stored.kind === 'message') {
      return callOfMessage(stored.message, { botId: stored.botId, load, fetchReferenced })
    }
    const { interaction, audience } = stored
    // the process that received it may have died before it acknowledged
    const acknowledged = await receiver.acknowledged(interaction, audience)
    if (acknowledged !== 'late') {
      return callOfInteraction(interaction, audience, { ...options, load, picked: await pickedFor(interaction) })
    }
    log.warn({ interaction: interaction.id }, 'an interaction arrived too late to be answered')
    return undefined
  }

  /** The pictures of the message that the menu, or the form that it opened, is about. */
  async function pickedFor(interaction: Interaction): Promise<Picked | undefined> {
    if (interaction.type === InteractionType.ModalSubmit) return readPicked(database, interaction)
    if (!isMenu(interaction)) return undefined
    const picked = pickedIn(interaction)
    const person = interaction.member?.user.id ?? interaction.user?.id ?? ''
    await keepPicked(database, { ref: interaction.id, person, picked })
    return picked
  }

  /** Discord usually includes it; null means that it was deleted. */
  async function fetchReferenced({ referenced_message: included, message_reference: reference }: APIMessage) {
    if (included !== undefined || !reference?.message_id) return included ?? undefined
    const route = Routes.channelMessage(reference.channel_id, reference.message_id)
    return api.send<APIMessage>('get', route).catch(() => undefined)
  }

  /** The same way as from the gateway, but for where the first answer goes. */
  function receiveRequest(interaction: APIInteraction): Promise<FirstAnswer | undefined> {
    const answer = openRequests.firstAnswer(interaction.id)
    void receiver.receive(interaction).then((taken) => taken || openRequests.giveUp(interaction.id))
    return answer
  }

  return {
    name: 'discord',
    ...(options.publicKey && {
      plugin: interactionsRoute({ publicKey: options.publicKey, receive: receiveRequest }),
    }),
    answersPrivately: true,
    keepsFiles: true,
    uploadsInForms: true,
    shop: {
      itemChanged: (sku, reason) =>
        store([{ key: `discord:item:${reason}`, lane: `item ${sku}`, body: { kind: 'item', sku, reason } }]),
    },
    start,
    async stop() {
      stopping = true
      receiver.stop()
      registering.abort()
      clearInterval(watching)
      await within(stopWithinMs, comparing?.stop())
      await inbox?.close(stopWithinMs)
      await gateway?.close()
      api.close()
      await source.downloads.close()
    },
    notReady: () => (gateway ? (api.notReady() ?? gateway.notReady()) : 'not started'),
    channelLink: (guild, channel) => `https://discord.com/channels/${guild}/${channel}`,
    privately: async (address) => addressOf(await openDirect(api, targetOf(address)).catch(fail)),
    fileLimits: (place) => fileLimitsOf(targetOf(place)),
    async privateChat(person, about) {
      const { id: userId } = splitName(person)
      return addressOf({ kind: 'channel', channelId: await directChannel(api, userId).catch(fail), userId, about })
    },
    post: (address, reply, sent) => show(address, reply, sent).catch(fail),
    needsPressFrom: (posted) => needsPressFrom(targetOf(posted)),
    takeRoom: async (posted) => {
      const target = targetOf(posted)
      // each interaction has a limit of its own, which one message does not reach
      return target.kind === 'interaction' || pace.takeRoom(`discord:${target.channelId}`, channelPace)
    },
    offer: async (address, choices) => {
      const target = targetOf(address)
      if (target.kind !== 'interaction') return
      const type = InteractionResponseType.ApplicationCommandAutocompleteResult
      const data = { choices: choices.map(({ value, label }) => ({ name: label, value })) }
      await api.respond({ id: target.interactionId, token: target.token }, { type, data })
    },
    edit: async (posted, reply, sent) =>
      ended(
        await purchases.shop.sendReply(reply, (shown) => edit(api, targetOf(posted), shown, sent)).catch(fail),
        reply,
        sent,
      ),
    changeButtons: (posted, look) => changeButtons(api, targetOf(posted), look).catch(fail),
    remove: (posted) => take(api, targetOf(posted)).catch(fail),
  }

  function fail(error: unknown): never {
    throw api.toAppError(error)
  }
}
