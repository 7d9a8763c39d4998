/** The private chat: words, photos, an album, and replies to results. */
import { paint } from '../painter.ts'
import { only } from '../stage.ts'
import type { TelegramStage } from './stage.ts'

export const alone = {
  name: 'private',
  title: 'A private chat: words, photos and replies',
  about: 'In the private chat with the bot, every text and every photo is a request.',
  async play({ write, photo, album, press }: TelegramStage) {
    const house = await paint({ prompt: 'a red house by a lake', width: 768, height: 512 })
    const cat = await paint({ prompt: 'a cat', width: 512, height: 512, seed: 4 })
    await write('Ann', '/start')
    const boat = only(await write('Ann', 'a sailing boat 16:9 --model sketch'))
    const night = only(await write('Ann', 'at night --model sketch', undefined, { replyTo: boat }))
    await write('Ann', 'with a rainbow --model sketch', undefined, { replyTo: night })
    await photo('Ann', { data: house, caption: 'make it winter, snow --model sketch' })
    const offer = only(await photo('Ann', { data: house }))
    const question = only(await press('Ann', offer, '✏️ Edit'))
    await write('Ann', 'make it night', undefined, { replyTo: question })
    await album('Ann', [{ data: house, caption: 'the cat in front of the house --model sketch' }, { data: cat }])
    await write('Ann', 'two foxes in a forest --n 2 --model sketch', undefined, { messages: 2 })
  },
}
