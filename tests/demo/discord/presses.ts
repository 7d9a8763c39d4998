/** Buttons that the wrong person presses, a report, and a picture that a moderator removes. */
import { only } from '../stage.ts'
import type { DiscordStage } from './stage.ts'

export const presses = {
  name: 'presses',
  title: 'Buttons that the wrong person presses, and a report',
  about:
    'Everyone in the channel may press most buttons and pays for it. Stopping and deleting are for the person who asked and for administrators such as Mo.',
  async play({ slash, press, fillIn, remove }: DiscordStage) {
    const isDrawing = ({ text }: { text: string }) => text.startsWith('🎨')
    const slow = { prompt: 'a mountain lake at dawn [slow 6s] 3:2', model: 'sketch' }
    const [drawing] = await slash('Ann', 'painting', 'flux', slow, { until: isDrawing })
    if (drawing) {
      await press('Bea', drawing, 'Cancel', { until: ({ text }) => text.startsWith('⚠️') })
      await press('Ann', drawing, 'Cancel', { until: ({ text }) => text.includes('Cancelled') })
    }
    const tower = only(await slash('Ann', 'painting', 'flux', { prompt: 'a tower 3:2', model: 'sketch' }))
    await press('Bea', tower, '🗑 Delete')
    await press('Bea', tower, '⭐')
    await press('Bea', tower, '🎲 Again')
    await fillIn('Cyd', tower, '🚩 Report', { reason: 'This is my tower.' })
    const sure = await press('Mo', tower, '🗑 Delete')
    await press('Mo', only(sure), 'Delete for good')
    const again = only(await slash('Bea', 'painting', 'flux', { prompt: 'a tower at night 3:2', model: 'sketch' }))
    await remove('Mo', again)
    await slash('Bea', 'painting', 'history')
  },
}
