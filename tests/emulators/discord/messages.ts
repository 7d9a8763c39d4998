/** Stores messages and enforces Discord's rules for creating, editing and deleting them. */
import { attachmentJson, type Cdn } from './cdn.ts'
import { emptyMessage, invalidForm, tooManyAttachments } from './errors.ts'
import { snowflake } from './ids.ts'
import { checkBody, checkFiles, FLAG, type MessageBody } from './limits.ts'
import { mentionsIn } from './mentions.ts'
import { buttonsIn, embedded, renderComponents, renderEmbeds } from './render.ts'
import type { Attachment, FilePart, Json, Message, User } from './types.ts'
import { type Channel, userJson, type World } from './world.ts'

export interface StoredMessage extends Omit<Message, 'buttons'> {
  /** 0 plain, 19 reply, 20 slash command, 23 context menu command. */
  type: number
  applicationId?: string
  /** `interaction_metadata` and the deprecated `interaction`. */
  origin?: Json
}

interface NewMessage {
  channel: Channel
  author: User
  body: MessageBody
  files: FilePart[]
  /** Largest size of one file, bytes. */
  limitBytes: number
  flags?: number
  type?: number
  applicationId?: string
  interactionId?: string
  visibleTo?: string
  origin?: Json
  replyTo?: StoredMessage
}

export interface Messages {
  create(input: NewMessage): StoredMessage
  edit(message: StoredMessage, change: { body: MessageBody; files: FilePart[]; limitBytes: number }): StoredMessage
  remove(message: StoredMessage): void
  get(id: string): StoredMessage | undefined
  /** Lists the messages that are not deleted, oldest first. */
  list(channelId?: string): StoredMessage[]
  toJson(message: StoredMessage): Json
  /** Whom Discord notified, once for each mention in a new message. An edit notifies no one. */
  notified: { userId: string; messageId: string }[]
}

export interface MessagesOptions {
  world: World
  cdn: Cdn
  keepBytes: boolean
  changed: (kind: 'create' | 'edit' | 'remove', message: StoredMessage) => void
  /** Reports what Discord accepts without effect. */
  warn: (problem: string) => void
  /** Whether the app has this SKU. */
  sells: (sku: string) => boolean
}

export function createMessages({ world, cdn, keepBytes, changed, warn, sells }: MessagesOptions): Messages {
  const byId = new Map<string, StoredMessage>()
  const notified: Messages['notified'] = []

  function checkItems({ components }: MessageBody) {
    for (const { sku } of buttonsIn(components ?? []).flat()) {
      if (sku !== undefined && !sells(sku))
        throw invalidForm('components', 'BUTTON_COMPONENT_INVALID_SKU', 'Unknown SKU')
    }
  }

  function create(input: NewMessage): StoredMessage {
    const { channel, author, body, files, limitBytes, flags = 0, replyTo } = input
    checkFiles(files, limitBytes)
    checkBody(body, (flags & FLAG.componentsV2) > 0)
    checkItems(body)
    const thinking = (flags & FLAG.loading) > 0
    const attachments = attach([], body, files, channel)
    const { embeds, components } = render(body.embeds ?? [], body.components ?? [], attachments)
    const content = body.content ?? ''
    if (!thinking) refuseEmpty(content, embeds, components, attachments)
    const now = Date.now()
    const message: StoredMessage = {
      id: snowflake(now),
      channelId: channel.id,
      guildId: channel.guildId,
      author,
      content,
      embeds,
      components,
      attachments,
      flags,
      ephemeral: (flags & FLAG.ephemeral) > 0,
      thinking,
      ...mentionsIn(content, body.allowed_mentions, { viaInteraction: input.interactionId !== undefined, replyTo }),
      edits: [],
      createdAt: now,
      deleted: false,
      type: input.type ?? (replyTo ? 19 : 0),
      ...(body.nonce == null ? {} : { nonce: body.nonce }),
      ...(input.applicationId ? { applicationId: input.applicationId } : {}),
      ...(input.interactionId ? { interactionId: input.interactionId } : {}),
      ...(input.visibleTo ? { visibleTo: input.visibleTo } : {}),
      ...(input.origin ? { origin: input.origin } : {}),
      ...(replyTo ? { replyTo: replyTo.id } : {}),
    }
    byId.set(message.id, message)
    notified.push(...message.mentions.map((userId) => ({ userId, messageId: message.id })))
    publish(attachments)
    changed('create', message)
    return message
  }

  function edit(message: StoredMessage, { body, files, limitBytes }: Parameters<Messages['edit']>[1]): StoredMessage {
    checkFiles(files, limitBytes)
    const settable = FLAG.componentsV2 | FLAG.suppressEmbeds
    const flags = (message.flags & ~FLAG.loading) | ((body.flags ?? 0) & settable)
    const content = body.content === undefined ? message.content : (body.content ?? '')
    const edited = { ...body, content, embeds: body.embeds === undefined ? message.embeds : body.embeds }
    checkBody(edited, (flags & FLAG.componentsV2) > 0)
    checkItems(body)
    const channel = world.channel(message.channelId)!
    const attachments = attach(message.attachments, body, files, channel, true)
    const rendered = render(body.embeds ?? [], body.components ?? [], attachments)
    const embeds = body.embeds === undefined ? message.embeds : rendered.embeds
    const components = body.components === undefined ? message.components : rendered.components
    refuseEmpty(content, embeds, components, attachments)
    if (!message.thinking) {
      message.edits.push(message.content)
      message.editedAt = Date.now()
    }
    const viaInteraction = message.interactionId !== undefined
    const mentions = body.content === undefined ? {} : mentionsIn(content, body.allowed_mentions, { viaInteraction })
    const fresh = attachments.filter((file) => !message.attachments.includes(file))
    Object.assign(message, { content, embeds, components, attachments, flags, thinking: false, ...mentions })
    publish(fresh)
    changed('edit', message)
    return message
  }

  function render(embeds: Json[], components: Json[], attachments: Attachment[]) {
    const rendered = renderEmbeds(embeds, attachments)
    for (const url of rendered.dangling) warn(`an embed refers to ${url}, which is not a file of the message`)
    return { embeds: rendered.embeds, components: renderComponents(components, attachments) }
  }

  function attach(present: Attachment[], body: MessageBody, files: FilePart[], channel: Channel, isEdit = false) {
    const listed = body.attachments === undefined ? undefined : (body.attachments ?? [])
    const kept = listed
      ? present.flatMap((file) => {
          const entry = listed.find(({ id }) => String(id) === file.id)
          return entry ? [entry.description === undefined ? file : { ...file, description: entry.description }] : []
        })
      : present
    const added = files.flatMap((file) => {
      const index = /^files\[(\d+)\]$/.exec(file.name)?.[1]
      const entry = listed?.find(({ id }) => String(id) === index)
      if (isEdit && listed && !entry) return [] // a PATCH with `attachments` adds only the files listed there
      const filename = entry?.filename ?? file.filename
      const details = { description: entry?.description, spoiler: entry?.is_spoiler }
      return [cdn.make({ filename, data: file.data }, `/attachments/${channel.id}`, details)]
    })
    refuseMissing(listed ?? [], present, files)
    if (kept.length + added.length > 10) throw tooManyAttachments()
    return [...kept, ...added]
  }

  function publish(attachments: Attachment[]) {
    for (const attachment of attachments) {
      if (!keepBytes) attachment.data = Buffer.alloc(0)
      cdn.publish(attachment)
    }
  }

  return {
    create,
    edit,
    remove(message) {
      message.deleted = true
      changed('remove', message)
    },
    get: (id) => byId.get(id),
    list: (channelId) =>
      [...byId.values()].filter((message) => !message.deleted && (!channelId || message.channelId === channelId)),
    notified,
    toJson: (message) => messageJson(message, world),
  }
}

export function snapshot(message: StoredMessage): Message {
  const { type: _type, applicationId: _applicationId, origin: _origin, ...visible } = message
  const { attachments, edits, components } = message
  return { ...visible, attachments: [...attachments], edits: [...edits], buttons: buttonsIn(components) }
}

function refuseEmpty(content: string, ...lists: unknown[][]) {
  if (content.trim() === '' && lists.every((list) => list.length === 0)) throw emptyMessage()
}

function refuseMissing(listed: { id: string | number }[], present: Attachment[], files: FilePart[]) {
  for (const [index, { id }] of listed.entries()) {
    const exists = files.some(({ name }) => name === `files[${id}]`) || present.some((file) => file.id === String(id))
    if (!exists) throw invalidForm(`attachments.${index}`, 'ATTACHMENT_NOT_FOUND', 'Attachment data not found')
  }
}

function messageJson(message: StoredMessage, world: World): Json {
  const { embeds, components, attachments } = message
  const hidden = embedded(embeds, components, attachments)
  const webhook = message.applicationId && message.interactionId
  return {
    id: message.id,
    type: message.type,
    channel_id: message.channelId,
    author: userJson(message.author),
    content: message.content,
    timestamp: new Date(message.createdAt).toISOString(),
    edited_timestamp: message.editedAt ? new Date(message.editedAt).toISOString() : null,
    tts: false,
    pinned: false,
    mention_everyone: message.mentionsEveryone,
    mentions: message.mentions.map((id) => userJson(world.user(id))),
    mention_roles: [],
    attachments: attachments.filter(({ id }) => !hidden.has(id)).map((file) => attachmentJson(file, message.ephemeral)),
    embeds,
    components,
    flags: message.flags,
    ...(message.nonce === undefined ? {} : { nonce: message.nonce }),
    ...(message.applicationId ? { application_id: message.applicationId } : {}),
    ...(webhook ? { webhook_id: message.applicationId } : {}),
    ...message.origin,
    ...(message.replyTo
      ? { message_reference: { type: 0, channel_id: message.channelId, message_id: message.replyTo } }
      : {}),
  }
}
