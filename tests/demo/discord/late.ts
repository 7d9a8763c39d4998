/** Results that come after Discord has stopped taking edits. */
import type { Interaction } from '../../emulators/discord/index.ts'
import type { DiscordStage } from './stage.ts'

export const late = {
  name: 'late',
  title: 'A late result',
  about:
    'Discord lets a bot change its answer for 15 minutes. Here that time is over while the picture is being drawn, so the result is a new message in the channel.',
  async play({ town, slash, press, wait }: DiscordStage) {
    let asked: Interaction | undefined
    const values = { prompt: 'a train in the mountains [slow 4s] 16:9', model: 'sketch' }
    const isDrawing = ({ text }: { text: string }) => text.startsWith('🎨')
    await slash('Ann', 'painting', 'flux', values, { until: isDrawing, on: (interaction) => (asked = interaction) })
    if (asked) town.discord.expireToken(asked)
    // the result comes, and then the message that waited goes
    const [result] = await wait('Ann', 'painting', 'the 15 minutes pass', 2)
    if (result) await press('Bea', result, '👍')
  },
}
