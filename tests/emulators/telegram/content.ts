/** What a method's parameters say a message shall show. */
import type { InlineKeyboardMarkup, MessageEntity, ParseMode } from '@grammyjs/types'
import { isTrue, listOf, objectOf, textOf } from './body.ts'
import { type FormattedText, formatText } from './entities.ts'
import { badRequest } from './errors.ts'
import { checkPhoto, type Photo, type StoredFile } from './files.ts'
import type { Call, Telegram } from './telegram.ts'
import type { Json } from './types.ts'
import { isTelegramUrl } from './urls.ts'
import type { Content } from './world.ts'

/** UTF-16 code units after markup is taken out. */
const MAX_TEXT = 4096
const MAX_CAPTION = 1024
const MAX_CALLBACK_DATA_BYTES = 64
const MAX_BUTTONS = 100

export function readText(telegram: Telegram, params: Json): Content {
  const formatted = format(telegram, params, 'text', 'entities')
  if (formatted.text === '') throw badRequest('message text is empty')
  if (formatted.text.length > MAX_TEXT) throw badRequest('message is too long')
  return { ...formatted, keyboard: readKeyboard(params) }
}

export function readCaption(telegram: Telegram, params: Json): FormattedText {
  const formatted = format(telegram, params, 'caption', 'caption_entities')
  if (formatted.text.length > MAX_CAPTION) throw badRequest('message caption is too long')
  return formatted
}

function format(telegram: Telegram, params: Json, name: string, entitiesName: string): FormattedText {
  const parseMode = textOf(params, 'parse_mode') as ParseMode | ''
  if (/^markdown/i.test(parseMode)) telegram.complain(`parse_mode ${parseMode}: this emulator only reads HTML`)
  const explicit = (listOf(params, entitiesName) ?? []) as MessageEntity[]
  return formatText(textOf(params, name), parseMode, explicit)
}

/** `params` are those of sendPhoto or sendDocument, or one InputMedia. */
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
  { files, complain }: Telegram,
  call: Call,
  kind: string,
  source: unknown,
): { photo: Photo } | { document: StoredFile } {
  if (kind !== 'photo' && kind !== 'document') {
    complain(`${call.method}: this emulator has photos and documents, no ${kind}`)
    throw badRequest(`unsupported media type ${kind}`)
  }
  const upload = findUpload(call, kind, source)
  if (upload && kind === 'document' && upload.size === 0) throw badRequest('file must be non-empty')
  if (upload && kind === 'document')
    return { document: files.addDocument({ data: upload.data, fileName: upload.filename || 'document' }, 'bot') }
  if (upload) {
    checkPhoto(upload.data)
    return { photo: files.addPhoto(upload.data, 'bot') }
  }
  if (typeof source !== 'string' || source === '') throw badRequest(`there is no ${kind} in the request`)
  if (/^https?:/i.test(source)) throw badRequest('failed to get HTTP URL content') // it has no way to the Internet
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

/** Other keyboards than inline ones are taken and not shown. */
export function readKeyboard(params: Json): InlineKeyboardMarkup | undefined {
  const rows = objectOf(params, 'reply_markup')?.inline_keyboard as InlineKeyboardMarkup['inline_keyboard'] | undefined
  if (!Array.isArray(rows) || rows.flat().length === 0) return undefined
  if (rows.flat().length > MAX_BUTTONS) throw badRequest('reply markup is too long')
  for (const button of rows.flat()) checkButton(button as unknown as Json)
  return { inline_keyboard: rows.filter((row) => row.length > 0) }
}

function checkButton(button: Json) {
  if (typeof button.text !== 'string' || button.text === '')
    throw badRequest('can\'t parse inline keyboard button: Field "text" must be of type String')
  const hasAction = Object.keys(button).some((name) => !['text', 'style', 'icon_custom_emoji_id'].includes(name))
  if (!hasAction)
    throw badRequest("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
  const { callback_data: data, url } = button
  if (typeof data === 'string' && (data === '' || Buffer.byteLength(data) > MAX_CALLBACK_DATA_BYTES))
    throw badRequest('BUTTON_DATA_INVALID')
  if (typeof url === 'string' && !isTelegramUrl(url))
    throw badRequest(`inline keyboard button URL '${url}' is invalid: Wrong HTTP URL`)
}
