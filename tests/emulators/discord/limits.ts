/** Limits that Discord checks on every message, including those its OpenAPI document lacks: content, rows, buttons, V2. */
import { invalidForm, requestTooLarge, tooManyAttachments } from './errors.ts'
import type { FilePart, Json } from './types.ts'

export const FLAG = { suppressEmbeds: 1 << 2, ephemeral: 1 << 6, loading: 1 << 7, componentsV2: 1 << 15 }

export const MAX_REQUEST_BYTES = 25 * 1024 * 1024

/** Primary, secondary, success, danger, link, premium. */
const STYLES = [1, 2, 3, 4, 5, 6]
const LINK_STYLE = 5
const PREMIUM_STYLE = 6

export interface AllowedMentions {
  parse?: string[] | null
  users?: string[] | null
  roles?: string[] | null
  replied_user?: boolean | null
}

/** Body of every route that creates or edits a message. */
export interface MessageBody {
  content?: string | null
  embeds?: Json[] | null
  components?: Json[] | null
  attachments?: { id: string | number; filename?: string; description?: string; is_spoiler?: boolean }[] | null
  flags?: number | null
  nonce?: string | number | null
  enforce_nonce?: boolean | null
  allowed_mentions?: AllowedMentions | null
  message_reference?: { message_id?: string; fail_if_not_exists?: boolean } | null
}

export function checkFiles(files: FilePart[], limitBytes: number) {
  if (files.length > 10) throw tooManyAttachments()
  if (files.some((file) => file.size > limitBytes)) throw requestTooLarge()
}

/** `isV2`: whether the message uses components V2, by the flags it has or gets. */
export function checkBody(body: MessageBody, isV2: boolean) {
  const { content, embeds, nonce, components, allowed_mentions: mentions } = body
  if (content != null && typeof content !== 'string') throw notText('content')
  if (content && content.length > 2000 && [...content].length > 2000) throw tooLong('content', 2000)
  if (typeof nonce === 'string' && nonce.length > 25) throw tooLong('nonce', 25)
  checkEmbeds(embeds ?? [])
  if (isV2 && (content || embeds?.length)) {
    throw invalidForm(
      content ? 'content' : 'embeds',
      'MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2',
      'The "content" and "embeds" fields cannot be used when using MessageFlags.IS_COMPONENTS_V2',
    )
  }
  for (const kind of ['users', 'roles'] as const) {
    if (!mentions?.parse?.includes(kind) || !mentions[kind]?.length) continue
    throw invalidForm(
      'allowed_mentions',
      'MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE',
      `parse:["${kind}"] and ${kind}: [ids...] are mutually exclusive.`,
    )
  }
  if (components) checkComponents(components, isV2)
}

function checkEmbeds(embeds: Json[]) {
  if (embeds.length > 10) throw tooMany('embeds', 10)
  const texts = embeds.flatMap((embed) => [
    embed.title,
    embed.description,
    (embed.footer as Json | undefined)?.text,
    (embed.author as Json | undefined)?.name,
    ...((embed.fields ?? []) as Json[]).flatMap(({ name, value }) => [name, value]),
  ])
  const total = texts.reduce<number>((sum, text) => sum + (typeof text === 'string' ? text.length : 0), 0)
  if (total > 6000) throw invalidForm('embeds', 'MAX_EMBED_SIZE_EXCEEDED', 'Embed size exceeds maximum size of 6000')
}

function checkComponents(components: Json[], isV2: boolean) {
  const seen = new Set<string>()
  let total = 0

  function check(component: Json, path: string) {
    total += 1
    const { custom_id: customId, label } = component
    if (typeof customId === 'string') {
      if (customId.length < 1 || customId.length > 100) throw badLength(`${path}.custom_id`, 1, 100)
      if (seen.has(customId)) throw duplicated(`${path}.custom_id`)
      seen.add(customId)
    }
    if (typeof label === 'string' && label.length > 80) throw tooLong(`${path}.label`, 80)
    if (component.type === 2) checkButton(component, path)
    const children = (component.components ?? []) as Json[]
    if (component.type === 1) checkRow(children, path)
    for (const [index, child] of children.entries()) check(child, `${path}.components.${index}`)
    if (component.accessory) check(component.accessory as Json, `${path}.accessory`)
  }

  if (!isV2 && components.length > 5) throw badLength('components', 1, 5)
  for (const [index, component] of components.entries()) {
    if (!isV2 && component.type !== 1) throw oneOf(`components.${index}.type`, '(1,)')
    check(component, `components.${index}`)
  }
  if (total > 40 && isV2) throw tooMany('components', 40)
}

/** A button sends its `custom_id`, opens its `url` or sells its `sku_id`, and its style says which of them it has. */
function checkButton({ style, label, emoji, custom_id: customId, url, sku_id: sku }: Json, path: string) {
  if (!STYLES.includes(style as number)) throw oneOf(`${path}.style`, `(${STYLES.join(', ')})`)
  if (style === PREMIUM_STYLE) {
    if (sku == null) throw required(`${path}.sku_id`)
    for (const [name, value] of Object.entries({ custom_id: customId, url, label, emoji })) {
      if (value != null)
        throw invalidForm(`${path}.${name}`, 'BUTTON_COMPONENT_PREMIUM_FIELD', 'Not on a premium button')
    }
    return
  }
  if (customId != null && url != null) {
    throw invalidForm(
      path,
      'BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE',
      'A custom id and url cannot both be specified',
    )
  }
  if (style === LINK_STYLE) checkUrl(url, `${path}.url`)
  else if (customId == null)
    throw invalidForm(`${path}.custom_id`, 'BUTTON_COMPONENT_CUSTOM_ID_REQUIRED', 'A custom id is required')
  if (!label && emoji == null) throw required(`${path}.label`)
}

function checkUrl(url: unknown, path: string) {
  if (url == null) throw required(path)
  const text = String(url)
  if (text.length > 512) throw tooLong(path, 512)
  if (!URL.canParse(text)) throw invalidForm(path, 'URL_TYPE_INVALID_URL', 'Not a well formed URL.')
  const scheme = new URL(text).protocol.slice(0, -1)
  if (['http', 'https', 'discord'].includes(scheme)) return
  throw invalidForm(
    path,
    'URL_TYPE_INVALID_SCHEME',
    `Scheme "${scheme}" is not supported. Scheme must be one of ('http', 'https', 'discord').`,
  )
}

function checkRow(children: Json[], path: string) {
  const selects = children.filter(({ type }) => type !== 2).length
  if (children.length < 1 || children.length > 5) throw badLength(`${path}.components`, 1, 5)
  if (selects > 0 && children.length > 1) {
    throw invalidForm(
      `${path}.components`,
      'COMPONENT_LAYOUT_WIDTH_EXCEEDED',
      'The specified component exceeds the maximum width',
    )
  }
}

const tooLong = (path: string, max: number) =>
  invalidForm(path, 'BASE_TYPE_MAX_LENGTH', `Must be ${max} or fewer in length.`)
const tooMany = tooLong
const badLength = (path: string, min: number, max: number) =>
  invalidForm(path, 'BASE_TYPE_BAD_LENGTH', `Must be between ${min} and ${max} in length.`)
const notText = (path: string) => invalidForm(path, 'STRING_TYPE_CONVERT', 'Could not interpret value as string.')
const oneOf = (path: string, values: string) =>
  invalidForm(path, 'BASE_TYPE_CHOICES', `Value must be one of ${values}.`)
const required = (path: string) => invalidForm(path, 'BASE_TYPE_REQUIRED', 'This field is required')
const duplicated = (path: string) =>
  invalidForm(path, 'COMPONENT_CUSTOM_ID_DUPLICATED', 'Component custom id cannot be duplicated')
