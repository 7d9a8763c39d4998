/** How people act on each emulated platform. */
import sharp from 'sharp'
import type { DiscordEmulator } from '../emulators/discord/index.ts'
import type { TelegramEmulator } from '../emulators/telegram/index.ts'
import type { Answered, DemoChat, Person, Picture } from './script.ts'

const answerMs = 30_000

async function pictureOf(data: Buffer): Promise<Picture> {
  const { width = 0, height = 0 } = await sharp(data).metadata()
  return { data, width, height }
}

export function onDiscord(discord: DiscordEmulator): DemoChat {
  const who = {
    ann: { userId: '100000000000000001', username: 'ann' },
    admin: { userId: '900000000000000001', username: 'root' },
  }
  const act = async (
    person: Person,
    command: string,
    options: Parameters<DiscordEmulator['slash']>[1],
  ): Promise<Answered> => {
    const interaction = discord.slash(command, options, who[person])
    const final = (content: string) => content !== '' && !/^[⏳🎨]/u.test(content)
    const reply = await Promise.race([
      interaction.waitForReply((message) => final(message.content), answerMs),
      interaction.waitForFollowUp((message) => final(message.content), answerMs),
    ])
    const [file] = reply.attachments
    return { text: reply.content, picture: file?.data ? await pictureOf(file.data) : undefined }
  }
  return {
    name: 'discord',
    ask: (person, prompt, image) =>
      act(person, 'flux', {
        prompt,
        ...(image ? { image1: { filename: 'cat.png', contentType: 'image/png', data: image.data } } : {}),
      }),
    credits: (person) => act(person, 'credits', {}),
    give: (amount) => act('admin', 'credits', { action: 'give', user: who.ann.userId, amount }),
  }
}

export function onTelegram(telegram: TelegramEmulator): DemoChat {
  const who = {
    ann: { userId: 101, firstName: 'Ann', username: 'ann' },
    admin: { userId: 9001, firstName: 'Root', username: 'root' },
  }
  const answerTo = async ({ chatId, messageId }: { chatId: number; messageId: number }): Promise<Answered> => {
    const ours = await telegram.waitFor(
      chatId,
      (message) => message.fromBot && message.replyTo === messageId && !/^[⏳🎨]/u.test(message.text),
      answerMs,
    )
    return { text: ours.text, picture: ours.photo ? await pictureOf(ours.photo) : undefined }
  }
  return {
    name: 'telegram',
    ask: (person, words, image) =>
      answerTo(
        image
          ? telegram.sendPhoto({ data: image.data, caption: words }, who[person])
          : telegram.say(words, who[person]),
      ),
    credits: (person) => answerTo(telegram.say('/credits', who[person])),
    give: (amount) => answerTo(telegram.say(`/credits give @ann ${amount}`, who.admin)),
  }
}
