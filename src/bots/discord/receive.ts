/** Interactions from their arrival until Discord has its first answer to them and the inbox has the rest. */
import {
  type APIApplicationCommandAutocompleteInteraction,
  type APIInteraction,
  ApplicationCommandOptionType,
  InteractionResponseType,
  InteractionType,
} from 'discord-api-types/v10'
import { readSettings } from '../../core/accounts/settings.ts'
import type { ErrorKind } from '../../core/errors.ts'
import type { Call, Reply } from '../../core/ports/chat.ts'
import type { Database } from '../../db/database.ts'
import { localeOf } from '../../locales/index.ts'
import type { Log } from '../../log.ts'
import { within } from '../../net/within.ts'
import type { Received } from '../inbox-store.ts'
import { addressOf } from './address.ts'
import {
  type Audience,
  audienceOf,
  callOfInteraction,
  type Interaction,
  identityOf,
  isAnswered,
  type Offers,
  valuesIn,
  whereOf,
} from './calls.ts'
import { placeOf } from './place.ts'
import type { Acknowledged, Api } from './rest/api.ts'

interface ReceiverOptions {
  api: Api
  offers: Offers & Parameters<typeof callOfInteraction>[2]
  database: Database
  log: Log
  store(acts: readonly Received[]): Promise<void>
  show(call: Call, reply: Reply): Promise<unknown>
  /** Answers what a person types, at once. Absent: with nothing. */
  suggest?(call: Call): Promise<void>
  /** The first answer to this interaction can no longer go into Discord's own request. */
  giveUp(id: string): void
}

export interface Receiver {
  /** Takes an interaction, by either way. False: it is of a kind that gets no answer, or the process is stopping. Never rejects. */
  receive(interaction: APIInteraction): Promise<boolean>
  /** Resolves once the interaction is acknowledged, whether this process received it or not. */
  acknowledged(interaction: Interaction, audience: Audience): Promise<Acknowledged>
  /** Its first answer was given. */
  answered(id: string): void
  stop(): void
}

/** What the inbox keeps of an interaction. */
export interface StoredInteraction {
  kind: 'interaction'
  interaction: Interaction
  /** How it was acknowledged. */
  audience: Audience
}

/** A form can only be the first answer, and Discord waits 3 s for it: after this time the person is asked to press again. */
const openWithinMs = 2_000
/** Discord waits 3 s for an acknowledgement. If the settings arrive later than this, the answer is private. */
const settingsWithinMs = 1_000
/** An act that takes longer to store is acknowledged before it is stored. */
const storeWithinMs = 500
/** A handler that starts later acknowledges again, which Discord answers with "already acknowledged". */
const rememberMs = 60_000

export function createReceiver(options: ReceiverOptions): Receiver {
  const { api, offers, database, log, store, show, suggest, giveUp } = options
  /** Acknowledgements by this process, so that its handlers do not repeat them. */
  const acknowledging = new Map<string, Promise<Acknowledged>>()
  /** Presses whose forms are being prepared, and what happens if that takes too long. */
  const opening = new Map<string, NodeJS.Timeout>()
  let stopping = false

  /**
   * Stores it for the process that will handle it, and only then acknowledges it: what is acknowledged and not stored would never be
   * answered. Discord waits 3 seconds, so a slow database does not hold up the acknowledgement for long.
   */
  async function take(interaction: Interaction): Promise<void> {
    const { id } = interaction
    const audience = await decideAudience(interaction)
    const user = interaction.member?.user.id ?? interaction.user?.id
    const body: StoredInteraction = { kind: 'interaction', interaction, audience }
    // a press, and what opens a form, waits for no earlier act of the person
    const isPress = interaction.type === InteractionType.MessageComponent || audience === 'form'
    const lane = isPress ? `press ${id}` : `${interaction.channel?.id}:${user}`
    const storing = store([{ key: `discord:${id}`, lane, body: body as unknown as Received['body'] }])
    const acknowledged = acknowledgeAfter(storing, interaction, audience)
    acknowledging.set(id, acknowledged)
    if (audience === 'form')
      opening.set(
        id,
        setTimeout(() => void refuseLate(interaction), openWithinMs),
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

  async function acknowledgeAfter(storing: Promise<void>, interaction: Interaction, audience: Audience) {
    await within(storeWithinMs, storing).catch(() => undefined)
    return acknowledge(interaction, audience)
  }

  /** A public acknowledgement cannot become private, so the answer is private where the settings cannot be read in time. */
  async function decideAudience(interaction: Interaction): Promise<Audience> {
    const audience = audienceOf(interaction, offers)
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

  /** Another process may be about to open the form, so Discord has to see which of the two answers comes first. */
  async function refuseLate(interaction: Interaction): Promise<void> {
    giveUp(interaction.id)
    await refuse(interaction, 'form', 'form_late')
  }

  /** Answers where the handler cannot: the database is away, or slow. */
  async function refuse(interaction: Interaction, audience: Audience, error: ErrorKind): Promise<void> {
    const call = callOfInteraction(interaction, audience, offers)
    if (!call) return
    const content = { kind: 'refusal', error, data: {} } as const
    await show(call, { locale: call.locale, state: 'failed', content, private: true }).catch(() => undefined)
  }

  /** Nothing is stored: by the time that another process could answer, the person has typed on. */
  async function answerTyping(interaction: APIApplicationCommandAutocompleteInteraction): Promise<void> {
    const call = typingCall(interaction)
    try {
      if (call && suggest) return await suggest(call)
    } catch (error) {
      log.warn({ err: error }, 'could not answer what a person types on Discord')
    }
    const type = InteractionResponseType.ApplicationCommandAutocompleteResult
    await api.respond(interaction, { type, data: { choices: [] } })
  }

  return {
    async receive(interaction) {
      const isTyping = interaction.type === InteractionType.ApplicationCommandAutocomplete
      if (stopping || !(isTyping || isAnswered(interaction))) return false
      try {
        await (isTyping ? answerTyping(interaction) : take(interaction))
      } catch (error) {
        log.error({ err: error }, 'could not store what a person did on Discord')
      }
      return true
    },
    acknowledged: (interaction, audience) => acknowledging.get(interaction.id) ?? acknowledge(interaction, audience),
    answered(id) {
      clearTimeout(opening.get(id))
      opening.delete(id)
    },
    stop() {
      stopping = true
      for (const timer of opening.values()) clearTimeout(timer)
    },
  }
}

/** What a person types into an option. undefined: Discord names no person, no channel, or no option. */
function typingCall(interaction: APIApplicationCommandAutocompleteInteraction): Call | undefined {
  const user = interaction.member?.user ?? interaction.user
  const { channel, data, id, application_id: applicationId, token } = interaction
  // those of a sub-command are inside it
  const options = data.options.flatMap((option) =>
    option.type === ApplicationCommandOptionType.Subcommand ? (option.options ?? []) : [option],
  )
  const focused = options.find((option) => 'focused' in option && option.focused)
  if (!user || !channel || !focused || !('value' in focused)) return undefined
  const channelId = channel.id
  const audience = 'form'
  return {
    key: `discord:${id}`,
    surface: 'discord',
    address: addressOf({
      kind: 'interaction',
      applicationId,
      token,
      interactionId: id,
      channelId,
      userId: user.id,
      audience,
    }),
    from: identityOf(user),
    place: placeOf(interaction, channel),
    locale: localeOf(interaction.locale),
    act: {
      kind: 'suggest',
      command: data.name,
      option: focused.name,
      typed: String(focused.value),
      options: valuesIn(options.filter((option) => option !== focused)),
      images: options.filter(({ type }) => type === ApplicationCommandOptionType.Attachment).length,
    },
    images: [],
  }
}
