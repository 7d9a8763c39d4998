/** The common interface to the emulated chats, with a small bot on each: it answers a request with a button. */
import { Events } from 'discord.js'
import { InputFile } from 'grammy'
import { afterEach, describe, expect, it } from 'vitest'
import { chatOnDiscord, chatOnTelegram, type EmulatedChat } from './chat.ts'
import { buttonRow, connectBot } from './discord/bot.ts'
import { startDiscord } from './discord/index.ts'
import { openTestBot, picture } from './telegram/bot.ts'

interface Opened {
  chat: EmulatedChat
  stop(): Promise<void>
}

async function onDiscord(): Promise<Opened> {
  const discord = await startDiscord()
  const { client, stop } = await connectBot(discord)
  client.on(Events.InteractionCreate, async (interaction) => {
    if (interaction.isChatInputCommand()) {
      const { url, name } = interaction.options.getAttachment('image1') ?? {}
      const files = url ? [{ attachment: Buffer.from(await (await fetch(url)).arrayBuffer()), name }] : []
      const content = `${interaction.commandName} ${interaction.options.getString('prompt') ?? ''}`.trim()
      await interaction.reply({ content, files, components: [buttonRow('again')] })
    } else if (interaction.isButton()) {
      await interaction.update({ content: 'pressed', components: [] })
      await interaction.followUp({ content: 'for you', flags: 'Ephemeral' })
    }
  })
  return {
    chat: chatOnDiscord(discord),
    async stop() {
      await stop()
      await discord.stop()
    },
  }
}

async function onTelegram(): Promise<Opened> {
  const test = await openTestBot()
  const bot = test.bot()
  const reply_markup = { inline_keyboard: [[{ text: 'again', callback_data: 'again', style: 'primary' as const }]] }
  bot.on('message', async ({ api, message }) => {
    const reply = { reply_parameters: { message_id: message.message_id }, reply_markup }
    const text = (message.text ?? message.caption ?? '').replace(/^\//, '')
    const photo = message.photo?.at(-1)
    if (photo)
      await api.sendPhoto(message.chat.id, new InputFile(await test.download(photo.file_id), 'a.png'), {
        caption: text,
        ...reply,
      })
    else await api.sendMessage(message.chat.id, text, reply)
  })
  bot.callbackQuery('again', async (context) => {
    const { message } = context.callbackQuery
    if (message?.photo) await context.editMessageCaption({ caption: 'pressed' })
    else await context.editMessageText('pressed')
    await context.answerCallbackQuery('for you')
  })
  await test.start(bot)
  return { chat: chatOnTelegram(test.telegram), stop: test.stop }
}

let opened: Opened
afterEach(async () => {
  await opened.stop()
  expect(opened.chat.violations()).toEqual([])
})

describe.each([
  ['Discord', onDiscord],
  ['Telegram', onTelegram],
])('a person on %s', (_name, open) => {
  it('asks for a picture and gets an answer with buttons', async () => {
    opened = await open()
    const { chat } = opened
    const data = await picture(64, 48)
    const asked = chat.person('ann').ask('a cat', data)
    const answer = await asked.waitForAnswer(({ text }) => text === 'flux a cat')
    expect(answer).toMatchObject({ pictures: [data], buttons: [[{ label: 'again', id: 'again', style: 'primary' }]] })
    expect(asked.answers()).toEqual([answer])
    expect(chat.botMessages()).toEqual([answer])
  })

  it('presses the button of another person and sees a notice', async () => {
    opened = await open()
    const { chat } = opened
    const answer = await chat.person('ann').ask('a cat').waitForAnswer()
    const press = chat.person('bob').press(answer, 'again')
    await press.acknowledged()
    expect(await press.notice()).toBe('for you')
    const edited = await chat.waitFor(answer, ({ text }) => text === 'pressed')
    expect(edited).toMatchObject({ id: answer.id, buttons: [], edits: ['flux a cat'] })
    expect(chat.current(answer)).toEqual(edited)
  })

  it('uses a command in private under the same identity', async () => {
    opened = await open()
    const { chat } = opened
    const { text } = await chat.person('ann', 'private').command('credits').waitForAnswer()
    expect(text).toBe('credits')
    expect(chat.person('ann', 'private').identity).toBe(chat.person('ann').identity)
    expect(chat.person('bob').identity).not.toBe(chat.person('ann').identity)
  })
})
