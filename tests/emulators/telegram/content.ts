/** Reads the content of a message from a method's parameters. */
import type { InlineKeyboardMarkup, MessageEntity, ParseMode } from '@grammyjs/types'
import { isTrue, listOf, objectOf, textOf } from './body.ts'
import { type FormattedText, formatText } from './entities.ts'
import { badRequest } from './errors.ts'
import type { Photo, StoredFile } from './files.ts'
import type { Call, Telegram } from './telegram.ts'
import type { Json } from './types.ts'
import { isTelegramUrl, urlProblem } from './urls.ts'
import type { Content } from './world.ts'

/** UTF-16 code units without markup. */
const MAX_TEXT = 4096
const MAX_CAPTION = 1024
const MAX_CALLBACK_DATA_BYTES = 64
const MAX_PLACEHOLDER = 64
const MAX_BUTTONS = 100
const STYLES = ['primary', 'success', 'danger']
/** Fields of a button that are not its action. */
const DECORATIONS = ['text', 'style', 'icon_custom_emoji_id']

export function readText(telegram: Telegram, params: Json): Content {
  const formatted = format(telegram, params, 'text', 'entities')
  if (formatted.text === '') throw badRequest('message text is empty')
  if (formatted.text.length > MAX_TEXT) throw badRequest('message is too long')
  return { ...formatted, keyboard: readKeyboard(telegram, params), forceReply: readForceReply(params) }
}

export function readCaption(telegram: Telegram, params: Json): FormattedText {
  const formatted = format(telegram, params, 'caption', 'caption_entities')
  if (formatted.text.length > MAX_CAPTION) throw badRequest('message caption is too long')
  return formatted
}

function format(telegram: Telegram, params: Json, name: string, entitiesName: string): FormattedText {
  const parseMode = textOf(params, 'parse_mode') as ParseMode | ''
  if (/^markdown/i.test(parseMode)) telegram.violate(`parse_mode ${parseMode}: the emulator supports HTML only`)
  const explicit = (listOf(params, entitiesName) ?? []) as MessageEntity[]
  return formatText(textOf(params, name), parseMode, explicit)
}

/** `params`: those of sendPhoto or sendDocument, or one InputMedia. */
export function readMedia(telegram: Telegram, call: Call, kind: string, params: Json, source: unknown): Content {
  const caption = readCaption(telegram, params)
  const file = resolveFile(telegram, call, kind, source)
  return {
    ...caption,
    ...file,
    ...(isTrue(params, 'has_spoiler') && { spoiler: true }),
    ...(isTrue(params, 'show_caption_above_media') && { captionAbove: true }),
  }
}

function resolveFile(
  { files, violate }: Telegram,
  call: Call,
  kind: string,
  source: unknown,
): { photo: Photo } | { document: StoredFile } {
  if (kind !== 'photo' && kind !== 'document') {
    violate(`${call.method}: the emulator supports photos and documents, not ${kind}`)
    throw badRequest(`unsupported media type ${kind}`)
  }
  const upload = findUpload(call, kind, source)
  if (upload && kind === 'document' && upload.size === 0) throw badRequest('file must be non-empty')
  if (upload && kind === 'document')
    return { document: files.addDocument({ data: upload.data, fileName: upload.filename || 'document' }, 'bot') }
  if (upload) {
    files.checkPhoto(upload.data)
    return { photo: files.addPhoto(upload.data, 'bot') }
  }
  if (typeof source !== 'string' || source === '') throw badRequest(`there is no ${kind} in the request`)
  if (/^https?:/i.test(source)) throw badRequest('failed to get HTTP URL content') // the emulator does not fetch URLs
  const photo = kind === 'photo' ? files.photo(source) : undefined
  const document = kind === 'document' ? files.document(source) : undefined
  if (photo) return { photo }
  if (document) return { document }
  const isOtherKind = files.photo(source) ?? files.document(source)
  throw badRequest(
    isOtherKind
      ? `can't use file of type ${kind === 'photo' ? 'Document as Photo' : 'Photo as Document'}`
      : 'wrong remote file identifier specified: Wrong string length',
  )
}

function findUpload({ files }: Call, kind: string, source: unknown) {
  if (typeof source !== 'string') return files.find(({ field }) => field === kind)
  if (!source.startsWith('attach://')) return undefined
  const field = source.slice('attach://'.length)
  return files.find((file) => file.field === field)
}

/** undefined: the message opens no reply box. */
export function readForceReply(params: Json): Content['forceReply'] {
  const markup = objectOf(params, 'reply_markup')
  if (markup?.force_reply === undefined) return undefined
  if (markup.force_reply !== true) throw badRequest('object expected as reply markup')
  const placeholder = markup.input_field_placeholder as string | undefined
  if (placeholder !== undefined && (placeholder === '' || placeholder.length > MAX_PLACEHOLDER)) {
    throw badRequest('input field placeholder is too long')
  }
  return { selective: markup.selective === true, placeholder }
}

/** Returns the inline keyboard. Accepts other kinds of keyboards without effect. */
export function readKeyboard({ violate }: Pick<Telegram, 'violate'>, params: Json): InlineKeyboardMarkup | undefined {
  const rows = objectOf(params, 'reply_markup')?.inline_keyboard as InlineKeyboardMarkup['inline_keyboard'] | undefined
  if (!Array.isArray(rows) || rows.flat().length === 0) return undefined
  if (rows.flat().length > MAX_BUTTONS) throw badRequest('reply markup is too long')
  for (const button of rows.flat()) {
    const problem = checkButton(button as unknown as Json)
    if (problem) violate(problem)
  }
  return { inline_keyboard: rows.filter((row) => row.length > 0) }
}

/** Throws Telegram's error. Returns what Telegram accepts although its documentation forbids it. */
function checkButton(button: Json): string | undefined {
  const { text, style, callback_data: data, url } = button
  if (typeof text !== 'string' || text === '') throw badButton('Field "text" must be of type String')
  if (style !== undefined && !STYLES.includes(String(style))) throw badButton('invalid button style specified')
  const actions = Object.entries(button).filter(([name, value]) => !DECORATIONS.includes(name) && value !== '')
  if (actions.length === 0) throw badButton('Text buttons are unallowed in the inline keyboard')
  if (typeof data === 'string' && Buffer.byteLength(data) > MAX_CALLBACK_DATA_BYTES)
    throw badRequest('BUTTON_DATA_INVALID')
  if (typeof url === 'string' && !isTelegramUrl(url))
    throw badRequest(`inline keyboard button URL '${url}' is invalid: ${urlProblem(url)}`)
  if (actions.length === 1) return undefined
  return `button "${text}" has more than one action: ${actions.map(([name]) => name).join(', ')}`
}

const badButton = (reason: string) => badRequest(`can't parse inline keyboard button: ${reason}`)
