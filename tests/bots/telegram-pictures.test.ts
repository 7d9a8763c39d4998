import type { Message, Update } from 'grammy/types'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createBotApi } from '../../src/bots/telegram/bot-api.ts'
import { createCallReader } from '../../src/bots/telegram/incoming/calls.ts'
import { createFiles, type TelegramFiles } from '../../src/bots/telegram/incoming/files.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { pngOf } from '../helpers/core.ts'

const MB = 1024 * 1024
const me = { id: 1, username: 'flux_bot' }

let telegram: TelegramEmulator
let files: TelegramFiles

beforeEach(async () => {
  telegram = await startTelegram()
  const { token, apiUrl } = telegram
  files = createFiles({ api: createBotApi(token, apiUrl), apiUrl, token, publicUrl: apiUrl })
})

afterEach(async () => {
  await files.close()
  await telegram.stop()
})

/** An update of a person in a private chat, or of `more`. */
const updateOf = (more: object): Update => ({
  update_id: 1,
  message: {
    message_id: 9,
    date: 1,
    chat: { id: 501, type: 'private', first_name: 'Ada' },
    from: { id: 501, is_bot: false, first_name: 'Ada' },
    ...more,
  } as Update['message'],
})

function callOf(...messages: object[]) {
  const reader = createCallReader({ me, commands: allCommands, files })
  const updates = messages.map(updateOf)
  return updates.some((update) => reader.concerns(update)) ? reader.callOf(updates) : undefined
}

const commandEntity = { type: 'bot_command', offset: 0, length: 5 }

describe('a picture that a message refers to on Telegram', () => {
  it.each(['photo.jfif image/pjpeg', 'photo application/octet-stream', 'photo.jpg text/plain', 'a.heic image/heic'])(
    'is judged by its content: %s',
    async (given) => {
      const [fileName = '', mimeType] = given.split(' ')
      const data = await pngOf(20, 20)
      const { message } = telegram.sendDocument({ data, fileName, mimeType }, { userId: 501 })
      const { document } = message
      expect(await callOf({ document, caption: 'night' })?.images[0]?.load(MB)).toEqual(data)
      expect(await callOf({ text: 'night', reply_to_message: message })?.images[0]?.load(MB)).toEqual(data)
      expect(await callOf({ text: 'night', external_reply: { document } })?.images[0]?.load(MB)).toEqual(data)
    },
  )

  it('may be a sticker that does not move', async () => {
    const data = await pngOf(20, 20)
    const { message } = telegram.sendDocument({ data, fileName: 'a.webp' }, { userId: 501 })
    const sticker = { file_id: message.document?.file_id, is_animated: false, is_video: false }
    for (const more of [{ sticker }, { text: 'night', reply_to_message: { message_id: 3, sticker } }]) {
      expect(await callOf(more)?.images[0]?.load(MB)).toEqual(data)
    }
  })

  it('may be behind a link that shows a preview', async () => {
    const data = await pngOf(20, 20)
    const { message } = telegram.sendDocument({ data, fileName: 'a.png' }, { userId: 501 })
    const { file_path: path } = await createBotApi(telegram.token, telegram.apiUrl).getFile(message.document!.file_id)
    const text = `${telegram.apiUrl}/file/bot${telegram.token}/${path}`
    const link = { text, entities: [{ type: 'url', offset: 0, length: text.length }] }
    expect(await callOf(link)?.images[0]?.load(MB)).toEqual(data)
    const replied = callOf({ text: 'night', reply_to_message: { message_id: 3, ...link } })
    expect(await replied?.images[0]?.load(MB)).toEqual(data)
    expect(callOf({ ...link, link_preview_options: { is_disabled: true } })?.images).toEqual([])
    const page = { text: 'a.example', entities: [{ type: 'url', offset: 0, length: 9 }] }
    expect(callOf(page)?.images).toEqual([])
    const inside = { text: 'http://10.0.0.1/a.png', entities: [{ type: 'url', offset: 0, length: 21 }] }
    await expect(callOf(inside)?.images[0]?.load(MB)).rejects.toMatchObject({ kind: 'image_unreachable' })
    // a private Bot API server is trusted for files, not for addresses that people write
    await files.close()
    const { token, apiUrl } = telegram
    files = createFiles({ api: createBotApi(token, apiUrl), apiUrl, token })
    await expect(callOf(link)?.images[0]?.load(MB)).rejects.toMatchObject({ kind: 'image_unreachable' })
  })

  it.each<[string, object]>([
    ['video', { video: { file_id: 'a' } }],
    ['animation', { animation: { file_id: 'a' }, document: { file_id: 'a', mime_type: 'video/mp4' } }],
    ['sticker that moves', { sticker: { file_id: 'a', is_animated: true, is_video: false } }],
    ['round video', { video_note: { file_id: 'a' } }],
    ['paid picture', { paid_media: { star_count: 1, paid_media: [] } }],
    ['PDF', { document: { file_id: 'a', mime_type: 'application/pdf', file_name: 'a.pdf' } }],
  ])('is refused if it is a %s', async (_name, media) => {
    const own = callOf({ ...media, caption: '/flux a cute cat', caption_entities: [commandEntity] })
    expect(own?.act).toMatchObject({ kind: 'command', name: 'flux', text: 'a cute cat' })
    const replied = callOf({ text: 'make it night', reply_to_message: { message_id: 3, ...media } })
    for (const call of [own, replied]) {
      await expect(call?.images[0]?.load(MB)).rejects.toMatchObject({ kind: 'image_type' })
    }
  })

  it('is each picture of an album and the one it replies to, and all captions count', () => {
    const captions = ['use this face', 'with this jacket', '', 'in this room']
    const photo = [{ file_id: 'a', width: 1, height: 1 }]
    const reply_to_message = { message_id: 3, photo }
    const part = (caption: string, at: number) => ({
      message_id: 10 + at,
      photo,
      media_group_id: 'm',
      ...(caption !== '' && { caption }),
      ...(at === 0 && { reply_to_message }),
    })
    const call = callOf(...captions.map(part))
    expect(call?.act).toEqual({ kind: 'message', text: 'use this face\nwith this jacket\nin this room' })
    expect(call?.images).toHaveLength(5)
    expect(callOf(...Array.from({ length: 10 }, (_, at) => part('', at)))?.images).toHaveLength(11)
  })
})

describe('a message to the bot on Telegram', () => {
  it.each<[string, object]>([
    ['voice', { voice: { file_id: 'a' } }],
    ['location', { location: { latitude: 1, longitude: 1 } }],
    ['contact', { contact: { first_name: 'Bob', phone_number: '1' } }],
    ['dice', { dice: { emoji: '🎲', value: 3 } }],
  ])('is answered if it is a %s', (_name, content) => {
    expect(callOf(content)?.act).toEqual({ kind: 'message', text: '' })
  })

  it.each<[string, Partial<Message>]>([
    ['a new title', { new_chat_title: 'x' } as Partial<Message>],
    ['a pinned message', { pinned_message: { message_id: 1 } } as unknown as Partial<Message>],
  ])('is none if it reports %s', (_name, event) => expect(callOf(event)).toBeUndefined())

  it('has a name without characters that hide or cover other text', () => {
    const named = (first_name: string) =>
      callOf({ text: 'a cat', from: { id: 5, is_bot: false, first_name } })?.from.name
    expect(named(`A\u202Eda${'\u0351'.repeat(90)}`)).toBe(`Ada${'\u0351'.repeat(4)}`)
    expect(named('\u3164\u200B')).toBe('5')
  })

  it('of an anonymous administrator or a channel is answered, but no account pays for it', () => {
    const chat = { id: -100123, type: 'supergroup', title: 'Cats' }
    const from = { id: 1_087_968_824, is_bot: true, first_name: 'Group' }
    const text = { text: '/flux a cat', entities: [commandEntity], chat, from }
    expect(callOf({ ...text, sender_chat: chat })).toMatchObject({ isAnonymous: true })
    expect(callOf({ ...text, sender_chat: { id: -100999, type: 'channel' } })).toMatchObject({ isAnonymous: true })
    expect(callOf(text)).toBeUndefined()
    expect(callOf({ ...text, sender_chat: chat, is_automatic_forward: true })).toBeUndefined()
  })
})
