/** Interactions, and the routes a bot uses to respond to them: callback, @original, follow-ups. */
import {
  alreadyAcknowledged,
  invalidForm,
  invalidToken,
  tooManyFollowUps,
  unknownInteraction,
  unknownMessage,
  unknownWebhook,
} from './errors.ts'
import { FLAG, type MessageBody } from './limits.ts'
import type { Messages, StoredMessage } from './messages.ts'
import type { Call, Routes } from './rest.ts'
import type { Signal } from './signal.ts'
import type { Json, User } from './types.ts'
import { type Channel, userJson, type World } from './world.ts'

export interface LiveInteraction {
  id: string
  token: string
  /** 2 command, 3 component, 4 autocomplete, 5 modal. */
  type: number
  /** Unix milliseconds when the person acted. Tests move it back to let the interaction expire. */
  bornAt: number
  payload: Json
  user: User
  channel: Channel
  commandName?: string
  /** 1 slash, 2 user, 3 message. */
  commandType?: number
  /** Message with the pressed component. Absent: the interaction was not started from a message. */
  source?: StoredMessage
  attachmentSizeLimit: number
  owners: Json
  deliveredTo: number
  acknowledgedMs?: number
  acknowledgedWith?: number
  original?: StoredMessage
  followUps: StoredMessage[]
  choices?: Json[]
  modal?: Json
  changes: Signal<void>
}

export interface InteractionRules {
  applicationId: string
  world: World
  messages: Messages
  find: (token: string) => LiveInteraction | undefined
  acknowledgeWithinMs: number
  tokenLifeMs: number
}

export interface Interactions {
  routes: Routes
  /** Applies a first answer. Throws Discord's error if it is not accepted. */
  answer(interaction: LiveInteraction, given: Pick<Call, 'body' | 'files' | 'at'>): void
}

export function createInteractions(rules: InteractionRules): Interactions {
  const { messages, world } = rules

  function callback({ params, query, body, files, at }: Call) {
    const interaction = rules.find(params.interaction_token!)
    if (!interaction || interaction.id !== params.interaction_id) throw unknownInteraction()
    answer(interaction, { body, files, at })
    return query.with_response === 'true' ? callbackJson(interaction, body.type as number) : undefined
  }

  function answer(interaction: LiveInteraction, { body, files, at }: Pick<Call, 'body' | 'files' | 'at'>): void {
    const age = at - interaction.bornAt
    if (interaction.acknowledgedWith !== undefined) throw alreadyAcknowledged()
    if (age > rules.acknowledgeWithinMs) throw unknownInteraction()
    const type = body.type as number
    const data = (body.data ?? {}) as MessageBody & Json
    refuseWrongType(interaction, type, data)
    if (type === 4 || type === 5) {
      const flags = type === 5 ? (data.flags ?? 0) | FLAG.loading : (data.flags ?? 0)
      interaction.original = post(interaction, data, files, flags)
    }
    if (type === 6 || type === 7) interaction.original = interaction.source
    if (type === 7) change(interaction, existing(interaction.source), data, files)
    if (type === 8) interaction.choices = (data.choices ?? []) as Json[]
    if (type === 9) interaction.modal = data
    interaction.acknowledgedWith = type
    interaction.acknowledgedMs = age
    interaction.changes.fire()
  }

  function callbackJson(interaction: LiveInteraction, type: number): Json {
    const { id, original, channel } = interaction
    const created = type === 4 || type === 5 ? original : undefined
    const answer = {
      id,
      type: interaction.type,
      channel_id: channel.id,
      ...(channel.guildId ? { guild_id: channel.guildId } : {}),
      ...(created
        ? {
            response_message_id: created.id,
            response_message_loading: created.thinking,
            response_message_ephemeral: created.ephemeral,
          }
        : {}),
    }
    // Discord documents the message for types 4 and 7 only
    if (type !== 4 && type !== 7) return { interaction: answer }
    return { interaction: answer, resource: { type, message: messages.toJson(original!) } }
  }

  /** Interaction of a webhook route. Throws if the token is unknown or expired, or if the interaction is not acknowledged. */
  function interactionOf(params: Record<string, string>): LiveInteraction {
    if (params.webhook_id !== rules.applicationId) throw unknownWebhook()
    const interaction = rules.find(params.webhook_token!)
    if (!interaction || Date.now() - interaction.bornAt > rules.tokenLifeMs) throw invalidToken()
    if (interaction.acknowledgedWith === undefined) throw unknownWebhook()
    return interaction
  }

  function target(params: Record<string, string>): { interaction: LiveInteraction; message: StoredMessage } {
    const interaction = interactionOf(params)
    const { original, followUps } = interaction
    const id = params.message_id
    const message = id ? [original, ...followUps].find((candidate) => candidate?.id === id) : original
    return { interaction, message: existing(message) }
  }

  function post(interaction: LiveInteraction, body: MessageBody, files: Call['files'], flags: number): StoredMessage {
    const { channel, user, id, original, source } = interaction
    const isFollowUp = interaction.acknowledgedWith !== undefined
    return messages.create({
      channel,
      author: world.bot,
      body,
      files,
      limitBytes: interaction.attachmentSizeLimit,
      flags: flags & (FLAG.ephemeral | FLAG.loading | FLAG.componentsV2 | FLAG.suppressEmbeds | (1 << 12)),
      applicationId: rules.applicationId,
      interactionId: id,
      origin: originOf(interaction, isFollowUp),
      type: isFollowUp || interaction.type !== 2 ? 19 : interaction.commandType === 1 ? 20 : 23,
      replyTo: isFollowUp ? original : source,
      ...(flags & FLAG.ephemeral ? { visibleTo: user.id } : {}),
    })
  }

  function change(interaction: LiveInteraction, message: StoredMessage, body: MessageBody, files: Call['files']) {
    messages.edit(message, { body, files, limitBytes: interaction.attachmentSizeLimit })
    interaction.changes.fire()
    return messages.toJson(message)
  }

  const show = ({ params }: Call) => messages.toJson(target(params).message)

  function edit({ params, body, files }: Call) {
    const { interaction, message } = target(params)
    return change(interaction, message, body, files)
  }

  function remove({ params }: Call) {
    const { interaction, message } = target(params)
    messages.remove(message)
    interaction.changes.fire()
    return undefined
  }

  function followUp({ params, body, files }: Call) {
    const interaction = interactionOf(params)
    const { original, owners, followUps } = interaction
    // deprecated, but still in effect: the first follow-up fills the deferred reply and stays as ephemeral as that is
    if (original?.thinking && !original.deleted) return change(interaction, original, body, files)
    const isUserInstallOnly = !('0' in owners)
    if (isUserInstallOnly && followUps.length >= 5) throw tooManyFollowUps()
    const message = post(interaction, body, files, (body as MessageBody).flags ?? 0)
    followUps.push(message)
    interaction.changes.fire()
    return messages.toJson(message)
  }

  const webhook = '/webhooks/{webhook_id}/{webhook_token}'
  const routes = {
    'POST /interactions/{interaction_id}/{interaction_token}/callback': callback,
    [`POST ${webhook}`]: followUp,
    [`GET ${webhook}/messages/@original`]: show,
    [`PATCH ${webhook}/messages/@original`]: edit,
    [`DELETE ${webhook}/messages/@original`]: remove,
    [`GET ${webhook}/messages/{message_id}`]: show,
    [`PATCH ${webhook}/messages/{message_id}`]: edit,
    [`DELETE ${webhook}/messages/{message_id}`]: remove,
  }
  return { routes, answer }
}

function existing(message: StoredMessage | undefined): StoredMessage {
  if (!message || message.deleted) throw unknownMessage()
  return message
}

/** Callback types that Discord accepts, by interaction type. */
const CALLBACKS: Record<number, number[]> = { 2: [4, 5, 9], 3: [4, 5, 6, 7, 9], 4: [8], 5: [4, 5] }

function refuseWrongType(interaction: LiveInteraction, type: number, data: MessageBody & Json) {
  const fitting = CALLBACKS[interaction.type] ?? []
  const allowed = interaction.type === 5 && interaction.source ? [...fitting, 6, 7] : fitting
  if (!allowed.includes(type)) {
    throw invalidForm('type', 'BASE_TYPE_CHOICES', `Value must be one of {${allowed.join(', ')}}.`)
  }
  if (type === 5 && ((data.flags ?? 0) & ~FLAG.ephemeral) !== 0) {
    throw invalidForm('data.flags', 'INVALID_FLAGS', 'Only EPHEMERAL may be set on a deferred response.')
  }
  if (type === 8 && ((data.choices ?? []) as unknown[]).length > 25) {
    throw invalidForm('data.choices', 'BASE_TYPE_MAX_LENGTH', 'Must be 25 or fewer in length.')
  }
  if (type === 9) refuseBadModal(data)
}

function refuseBadModal({ custom_id: customId, title, components }: Json) {
  const wrong = (path: string, min: number, max: number) =>
    invalidForm(`data.${path}`, 'BASE_TYPE_BAD_LENGTH', `Must be between ${min} and ${max} in length.`)
  const length = (value: unknown) => (value as string | unknown[] | undefined)?.length ?? 0
  if (length(customId) < 1 || length(customId) > 100) throw wrong('custom_id', 1, 100)
  if (length(title) < 1 || length(title) > 45) throw wrong('title', 1, 45)
  if (length(components) < 1 || length(components) > 5) throw wrong('components', 1, 5)
  for (const [index, part] of (components as Json[]).entries()) {
    const path = `components.${index}`
    if (part.type !== LABEL) continue
    if (length(part.label) < 1 || length(part.label) > 45) throw wrong(`${path}.label`, 1, 45)
    refuseBadField(part.component as Json, `data.${path}.component`)
  }
}

const LABEL = 18
const TEXT_INPUT = 4
const STRING_SELECT = 3

function refuseBadField(field: Json, path: string) {
  const { type, value, max_length: most = 4000, options = [], required = true, min_values: least = 1 } = field
  const tooLong = (name: string, max: unknown) =>
    invalidForm(`${path}.${name}`, 'BASE_TYPE_MAX_LENGTH', `Must be ${max} or fewer in length.`)
  if (type === TEXT_INPUT && typeof value === 'string' && value.length > Number(most)) throw tooLong('value', most)
  if (type === TEXT_INPUT && String(field.placeholder ?? '').length > 100) throw tooLong('placeholder', 100)
  if (type !== STRING_SELECT) return
  const all = options as Json[]
  if (all.length < 1 || all.length > 25) {
    throw invalidForm(`${path}.options`, 'BASE_TYPE_BAD_LENGTH', 'Must be between 1 and 25 in length.')
  }
  const values = all.map((option) => option.value)
  if (new Set(values).size < values.length) {
    throw invalidForm(
      `${path}.options`,
      'SELECT_COMPONENT_OPTION_VALUE_DUPLICATED',
      'The specified option value is already used',
    )
  }
  if (all.filter((option) => option.default).length > Number(field.max_values ?? 1)) {
    throw invalidForm(`${path}.options`, 'SELECT_COMPONENT_TOO_MANY_DEFAULTS', 'There are too many default options')
  }
  if (required && least === 0) {
    throw invalidForm(`${path}.min_values`, 'BASE_TYPE_MIN', 'A required select needs at least one value')
  }
}

function originOf(interaction: LiveInteraction, isFollowUp: boolean): Json {
  const { id, type, commandName, source, original, owners } = interaction
  const user = userJson(interaction.user)
  const base = { id, type, user, authorizing_integration_owners: owners }
  const followed = isFollowUp && original ? { original_response_message_id: original.id } : {}
  if (type === 2) {
    const legacy = { id, type, name: commandName, user }
    return { interaction_metadata: { ...base, name: commandName, ...followed }, interaction: legacy }
  }
  if (type === 3) return { interaction_metadata: { ...base, interacted_message_id: source!.id, ...followed } }
  const trigger = source
    ? { ...base, type: 3, interacted_message_id: source.id }
    : { ...base, type: 2, name: commandName }
  return { interaction_metadata: { ...base, triggering_interaction_metadata: trigger, ...followed } }
}
