/** A group: whom the bot answers there, and whose buttons the others may press. */
import { only } from '../stage.ts'
import { group, type TelegramStage, topic } from './stage.ts'

export const crowd = {
  name: 'group',
  title: 'A group: mentions, replies, a topic, and buttons of others',
  about:
    'In a group the bot answers commands, mentions and replies to its pictures. Everyone may press most buttons and pays for it.',
  async play({ telegram, write, press }: TelegramStage) {
    const bot = `@${telegram.bot.username}`
    await write('Ann', 'Does anyone have an idea for a picture?', group, { messages: 0 })
    const tower = only(await write('Ann', `${bot} a tower on a hill 3:2 --model sketch`, group))
    const night = only(await write('Bea', 'at night --model sketch', group, { replyTo: tower }))
    await write('Cyd', '/flux a fox --model sketch', topic)
    await press('Bea', tower, '⭐')
    await press('Bea', tower, '🗑 Delete')
    await press('Cyd', night, '🎲 Again')
    const isDrawing = ({ text }: { text: string }) => text.startsWith('🎨')
    const slow = only(await write('Ann', '/flux a river [slow 6s] 3:2 --model sketch', group, { until: isDrawing }))
    await press('Cyd', slow, 'Cancel', { until: () => false, messages: 0 })
    await press('Ann', slow, 'Cancel', { until: ({ text }) => text.includes('Cancelled'), messages: 1 })
    const question = only(await press('Cyd', tower, '✏️ Edit'))
    await write('Ann', 'a tower in snow', group, { replyTo: question })
    await write('Cyd', 'a tower in snow', group, { replyTo: question })
    await write('Ann', '/queue', group)
  },
}
