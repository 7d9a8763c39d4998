/** Discord: slash commands, buttons, direct messages, and messages that mention the bot. */
import {
  type APIInteraction,
  type APIMessage,
  type GatewayMessageCreateDispatchData,
  InteractionType,
  MessageFlags,
  Routes,
} from 'discord-api-types/v10'
import { readSettings } from '../../core/accounts/settings.ts'
import { createChatPace } from '../../core/chats/pace.ts'
import type { ErrorKind } from '../../core/errors.ts'
import type { Address, Call, ChatSurface, Posted, Reply, SentMessages } from '../../core/ports/chat.ts'
import type { Database } from '../../db/database.ts'
import type { Json } from '../../db/json.ts'
import type { Log } from '../../log.ts'
import type { Action } from '../action.ts'
import { createDownloads } from '../downloads.ts'
import { type Inbox, openInbox } from '../inbox.ts'
import { addressOf, type Target, targetOf } from './address.ts'
import { type Acknowledged, createRest, reasonOf } from './api.ts'
import {
  type Audience,
  audienceOf,
  callOfInteraction,
  callOfMessage,
  concernsUs,
  type Interaction,
  isAnswered,
  whereOf,
} from './calls.ts'
import { createGateway, type Gateway } from './gateway.ts'
import { attachmentHosts, attachments } from './images.ts'
import { commandDefinitions, type Registration, register } from './register.ts'
import { changeButtons, edit, openDirect, type Placed, post, take } from './send.ts'
import { within } from './within.ts'

export interface DiscordOptions extends Omit<Registration, 'applicationId'> {
  token: string
  /** Used to notice a mix-up only: Discord says which application the token belongs to. */
  applicationId?: string
  /** https://discord.com/api */
  apiUrl: string
  database: Database
  log: Log
  actions: readonly Action[]
  /** Origins besides Discord's own and that of `apiUrl` from which attachments are downloaded. */
  cdnOrigins?: readonly string[]
  /** How long `start` waits for Discord; after that it connects in the background. Default: 30 s. */
  startWithinMs?: number
}

const stopWithinMs = 10_000
const registerAgainMs = 60_000
const checkCommandsMs = 5_000
/** A form can only be the first answer, and Discord waits 3 s for it: after this time the person is asked to press again. */
const openWithinMs = 2_000
/** Discord waits 3 s for an acknowledgement. If the settings arrive later than this, the answer is private. */
const settingsWithinMs = 1_000
/** An act that is not stored by then is acknowledged before it is. */
const storeWithinMs = 500
/** A handler that starts later acknowledges again, which Discord answers with "already acknowledged". */
const rememberMs = 60_000
/** An interaction can be answered for 15 minutes; a message waits no longer than that either. */
const answerableSeconds = 14 * 60

/** Discord allows about 5 edits in 5 s in a channel. The others are left to answers and results. */
const channelPace = [{ calls: 3, ms: 5_000 }]

type Handle = (call: Call) => Promise<void>

/** What the inbox keeps. */
type Stored =
  /** `audience`: how it was acknowledged. */
  | { kind: 'interaction'; interaction: Interaction; audience: Audience }
  | { kind: 'message'; message: GatewayMessageCreateDispatchData; botId: string }

export function createDiscord(options: DiscordOptions): ChatSurface {
  const { database, log, startWithinMs = 30_000 } = options
  const api = createRest(options)
  const pace = createChatPace(database)
  const trusted = [new URL(options.apiUrl).origin, ...(options.cdnOrigins ?? [])]
  const source = { origins: [...attachmentHosts, ...trusted], downloads: createDownloads(trusted) }
  const load = (given: Parameters<typeof attachments>[0]) => attachments(given, source)
  /** Acknowledgements by this process, so that its handlers do not repeat them. */
  const acknowledging = new Map<string, ReturnType<typeof acknowledge>>()
  /** Presses whose forms are being prepared, and what happens if that takes too long. */
  const opening = new Map<string, NodeJS.Timeout>()
  const registering = new AbortController()
  let gateway: Gateway | undefined
  let inbox: Inbox | undefined
  let stopping = false
  let registered = ''
  let watching: NodeJS.Timeout | undefined

  async function start(handle: Handle): Promise<void> {
    inbox = await openInbox({
      database,
      name: 'discord',
      log,
      oldestSeconds: answerableSeconds,
      handle: async ([body]) => {
        const call = await callOf(body as unknown as Stored)
        if (call) await handle(call)
      },
    })
    gateway = createGateway({
      ...options,
      onInteraction: (interaction) => receive(receiveInteraction(interaction)),
      onMessage: (message) => receive(receiveMessage(message)),
    })
    const accepted = gateway.open().then(({ applicationId }) => introduce(applicationId))
    if ((await within(startWithinMs, accepted)) !== 'late') return
    log.warn({}, 'Discord has not answered yet; starting without it')
    accepted.catch((error) => stopping || log.error({ reason: reasonOf(error) }, 'Discord does not accept the bot'))
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

  function receive(work: Promise<void>): void {
    work.catch((error) => log.error({ err: error }, 'could not store what a person did on Discord'))
  }

  /**
   * Stores it for whichever process handles it, and only then acknowledges it: what is acknowledged and not stored would never be
   * answered. Discord waits 3 seconds, so a slow database does not hold up the acknowledgement for long.
   */
  async function receiveInteraction(interaction: APIInteraction): Promise<void> {
    if (stopping || !isAnswered(interaction)) return
    const { id } = interaction
    const audience = await decideAudience(interaction)
    const user = interaction.member?.user.id ?? interaction.user?.id
    const body: Stored = { kind: 'interaction', interaction, audience }
    // a press, and what opens a form, waits for no earlier act of the person
    const isPress = interaction.type === InteractionType.MessageComponent || audience === 'form'
    const lane = isPress ? `press ${id}` : `${interaction.channel?.id}:${user}`
    const storing = inbox?.store([{ key: `discord:${id}`, lane, body: body as unknown as Json }])
    const acknowledged = acknowledgeAfter(storing, interaction, audience)
    acknowledging.set(id, acknowledged)
    if (audience === 'form')
      opening.set(
        id,
        setTimeout(() => void refuse(interaction, audience, 'form_late'), openWithinMs),
      )
    try {
      await storing
    } catch (error) {
      await acknowledged
      await refuse(interaction, audience, 'internal')
      throw error
    } finally {
      setTimeout(() => acknowledging.delete(id), rememberMs).unref()
    }
  }

  async function acknowledgeAfter(storing: Promise<void> | undefined, interaction: Interaction, audience: Audience) {
    await within(storeWithinMs, storing).catch(() => undefined)
    return acknowledge(interaction, audience)
  }

  /** A public acknowledgement cannot become private, so the answer is private where the settings cannot be read in time. */
  async function decideAudience(interaction: Interaction): Promise<Audience> {
    const audience = audienceOf(interaction, options)
    if (audience !== 'chosen') return audience
    const where = whereOf(interaction)
    const reading = where && readSettings({ database }, where)
    const settings = await within(settingsWithinMs, reading).catch((error: unknown) => {
      log.warn({ err: error }, 'could not read settings; answering privately')
      return 'late' as const
    })
    reading?.catch(() => undefined)
    if (settings === undefined || settings === 'late') return 'private'
    return settings.chosen.private ? 'private' : 'public'
  }

  /** A press that opens a form is not acknowledged: the form itself has to be the first answer. */
  async function acknowledge(interaction: Interaction, audience: Audience): Promise<Acknowledged> {
    return audience === 'form' ? 'done' : api.acknowledge(interaction, audience)
  }

  /** Answers where the handler cannot: the database is away, or slow. */
  async function refuse(interaction: Interaction, audience: Audience, error: ErrorKind): Promise<void> {
    const call = callOfInteraction(interaction, audience, { ...options, load })
    if (!call) return
    const content = { kind: 'refusal', error, data: {} } as const
    await show(call.address, { locale: call.locale, state: 'failed', content, private: true }).catch(() => undefined)
  }

  async function show(address: Address, reply: Reply, sent?: SentMessages): Promise<Posted> {
    const target = targetOf(address)
    try {
      return await recorded(await post(api, target, reply), reply, sent)
    } finally {
      if (target.kind === 'interaction') clearTimeout(opening.get(target.interactionId))
      if (target.kind === 'interaction') opening.delete(target.interactionId)
    }
  }

  /** A message that only one person sees can be found by nothing but its own buttons. */
  async function recorded({ target, message }: Placed, reply: Reply, sent?: SentMessages): Promise<Posted> {
    const isEphemeral = ((message?.flags ?? 0) & MessageFlags.Ephemeral) !== 0
    const shown = (reply.pictures ?? []).length + (reply.files ?? []).length
    if (message && shown > 0 && !isEphemeral) {
      const standing: Target = {
        kind: 'channel',
        channelId: message.channel_id,
        userId: target.userId,
        messageId: message.id,
      }
      const buttons = (reply.buttons ?? []).length > 0
      await sent?.add({ posted: addressOf(standing), part: 0, fileIds: [], message: message.id, buttons })
    }
    return addressOf(target)
  }

  async function receiveMessage(message: GatewayMessageCreateDispatchData): Promise<void> {
    const botId = gateway?.botId() ?? ''
    if (stopping || !concernsUs(message, botId)) return
    const body: Stored = { kind: 'message', message, botId }
    const lane = `${message.channel_id}:${message.author.id}`
    await inbox?.store([{ key: `discord:${message.id}`, lane, body: body as unknown as Json }])
  }

  /** undefined: the interaction can no longer be answered. */
  async function callOf(stored: Stored): Promise<Call | undefined> {
    if (stored.kind === 'message') {
      return callOfMessage(stored.message, { botId: stored.botId, load, fetchReferenced })
    }
    const { interaction, audience } = stored
    // the process that received it may have died before it acknowledged
    const acknowledged = await (acknowledging.get(interaction.id) ?? acknowledge(interaction, audience))
    if (acknowledged !== 'late') return callOfInteraction(interaction, audience, { ...options, load })
    log.warn({ interaction: interaction.id }, 'an interaction arrived too late to be answered')
    return undefined
  }

  /** Discord usually includes it; null means that it was deleted. */
  async function fetchReferenced({ referenced_message: included, message_reference: reference }: APIMessage) {
    if (included !== undefined || !reference?.message_id) return included ?? undefined
    const route = Routes.channelMessage(reference.channel_id, reference.message_id)
    return api.send<APIMessage>('get', route).catch(() => undefined)
  }

  return {
    name: 'discord',
    answersPrivately: true,
    start,
    async stop() {
      stopping = true
      registering.abort()
      clearInterval(watching)
      for (const timer of opening.values()) clearTimeout(timer)
      await inbox?.close(stopWithinMs)
      await gateway?.close()
      api.close()
      await source.downloads.close()
    },
    notReady: () => (gateway ? gateway.notReady() : 'not started'),
    privately: async (address) => addressOf(await openDirect(api, targetOf(address)).catch(fail)),
    post: (address, reply, sent) => show(address, reply, sent).catch(fail),
    takeRoom: async (posted) => {
      const target = targetOf(posted)
      // each interaction has a limit of its own, which one message does not reach
      return target.kind === 'interaction' || pace.takeRoom(`discord:${target.channelId}`, channelPace)
    },
    edit: async (posted, reply, sent) => recorded(await edit(api, targetOf(posted), reply).catch(fail), reply, sent),
    changeButtons: (posted, look) => changeButtons(api, targetOf(posted), look).catch(fail),
    remove: (posted) => take(api, targetOf(posted)).catch(fail),
  }

  function fail(error: unknown): never {
    throw api.toAppError(error)
  }
}
