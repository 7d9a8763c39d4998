/** Discord: slash commands, direct messages, and messages that name the bot. */
import {
  type APIChatInputApplicationCommandInteraction,
  type APIInteraction,
  type APIMessage,
  ApplicationCommandType,
  type GatewayMessageCreateDispatchData,
  InteractionType,
  Routes,
} from 'discord-api-types/v10'
import type { Call, ChatSurface } from '../../core/ports/chat.ts'
import { createDownloads } from '../downloads.ts'
import { addressOf, targetOf } from './address.ts'
import { createRest, type DiscordLog, reasonOf } from './api.ts'
import { callOfInteraction, callOfMessage, findCommand } from './calls.ts'
import { createGateway, type Gateway } from './gateway.ts'
import { attachmentHosts, attachments } from './images.ts'
import { type Registration, register } from './register.ts'
import { edit, post } from './send.ts'

export interface DiscordOptions extends Omit<Registration, 'applicationId'> {
  token: string
  /** Only to notice a mix-up: Discord tells which application the token belongs to. */
  applicationId?: string
  /** https://discord.com/api */
  apiUrl: string
  log: DiscordLog
  /** More origins than Discord's own and that of `apiUrl` from which attachments are fetched. */
  cdnOrigins?: readonly string[]
  /** How long `start` waits for Discord; after that it connects in the background. Default: 30 s. */
  startWithinMs?: number
}

const stopWithinMs = 10_000
const registerAgainMs = 60_000
const lookAgainMs = 5_000

type Handle = (call: Call) => Promise<void>

export function createDiscord(options: DiscordOptions): ChatSurface {
  const { log, startWithinMs = 30_000 } = options
  const api = createRest(options)
  const trusted = [new URL(options.apiUrl).origin, ...(options.cdnOrigins ?? [])]
  const source = { origins: [...attachmentHosts, ...trusted], downloads: createDownloads(trusted) }
  const load = (given: Parameters<typeof attachments>[0]) => attachments(given, source)
  const handling = new Set<Promise<void>>()
  const registering = new AbortController()
  let gateway: Gateway | undefined
  let stopping = false
  let known = ''
  let watching: NodeJS.Timeout | undefined

  async function start(handle: Handle): Promise<void> {
    gateway = createGateway({
      ...options,
      onInteraction: (interaction) => track(isSlash(interaction) ? interact(interaction, handle) : undefined),
      onMessage: (message) => track(hear(message, handle)),
    })
    const accepted = gateway.open().then(({ applicationId }) => introduce(applicationId))
    const slow = after(startWithinMs)
    const first = await Promise.race([accepted, slow.promise])
    slow.cancel()
    if (first !== 'late') return
    log.warn({}, 'Discord has not accepted us yet; the rest starts without it')
    accepted.catch((error) => stopping || log.error({ reason: reasonOf(error) }, 'Discord will not accept us'))
  }

  /** A failure to register keeps nobody from using what is registered already. */
  async function introduce(applicationId: string): Promise<void> {
    if (options.applicationId && options.applicationId !== applicationId) {
      log.warn({ applicationId }, 'DISCORD_APP_ID is not the application that DISCORD_TOKEN belongs to')
    }
    known = JSON.stringify(options.commands())
    watching ??= setInterval(() => {
      // the choices follow what is set up: models come and go while we run
      if (JSON.stringify(options.commands()) !== known) void introduce(applicationId)
    }, lookAgainMs).unref()
    try {
      const outcome = await register(api, { ...options, applicationId })
      log.info({ applicationId, commands: outcome }, 'connected to Discord')
    } catch (error) {
      log.error({ reason: reasonOf(error) }, 'the commands could not be registered with Discord')
      if (api.toAppError(error).retry && !stopping) again(() => void introduce(applicationId))
    }
  }

  function again(what: () => void): void {
    const timer = setTimeout(what, registerAgainMs)
    timer.unref()
    registering.signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  }

  function track(work: Promise<void> | undefined): void {
    if (!work) return
    const tracked = work
      .catch((error) =>
        log.error({ reason: reasonOf(error) }, 'something that a person did on Discord was not handled'),
      )
      .finally(() => handling.delete(tracked))
    handling.add(tracked)
  }

  async function interact(interaction: APIChatInputApplicationCommandInteraction, handle: Handle): Promise<void> {
    if (stopping) return
    const command = findCommand(options.commands(), interaction.data.name)
    const isPrivate = command?.audience !== 'public'
    const acknowledged = await api.acknowledge(interaction, isPrivate)
    if (acknowledged === 'late') {
      return log.warn({ interaction: interaction.id }, 'an interaction came too late to be answered')
    }
    const call = callOfInteraction(interaction, { command, isPrivate, load })
    if (call) await handle(call)
  }

  async function hear(message: GatewayMessageCreateDispatchData, handle: Handle): Promise<void> {
    if (stopping) return
    const call = await callOfMessage(message, { botId: gateway?.botId() ?? '', load, fetchReferenced })
    if (call) await handle(call)
  }

  /** Discord usually sends it along; null means that it is gone. */
  async function fetchReferenced({ referenced_message: known, message_reference: reference }: APIMessage) {
    if (known !== undefined || !reference?.message_id) return known ?? undefined
    const route = Routes.channelMessage(reference.channel_id, reference.message_id)
    return api.send<APIMessage>('get', route).catch(() => undefined)
  }

  return {
    name: 'discord',
    start,
    async stop() {
      stopping = true
      registering.abort()
      clearInterval(watching)
      const patience = after(stopWithinMs)
      await Promise.race([Promise.allSettled(handling), patience.promise])
      patience.cancel()
      await gateway?.close()
      api.close()
      await source.downloads.close()
    },
    notReady: () => (gateway ? gateway.notReady() : 'not started'),
    async post(address, reply) {
      return addressOf(await post(api, targetOf(address), reply).catch(refuse))
    },
    async edit(posted, reply) {
      return addressOf(await edit(api, targetOf(posted), reply).catch(refuse))
    },
  }

  function refuse(error: unknown): never {
    throw api.toAppError(error)
  }
}

function isSlash(interaction: APIInteraction): interaction is APIChatInputApplicationCommandInteraction {
  return (
    interaction.type === InteractionType.ApplicationCommand &&
    interaction.data.type === ApplicationCommandType.ChatInput
  )
}

function after(ms: number): { promise: Promise<'late'>; cancel(): void } {
  let timer: NodeJS.Timeout | undefined
  const promise = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, ms, 'late')
  })
  return { promise, cancel: () => clearTimeout(timer) }
}
