import { describe, expect, it } from 'vitest'
import { type DemoLine, playDemo } from './demo.ts'

describe('the demo', () => {
  it('shows an evening with all that people do with pictures, on both chats', async () => {
    const lines = await playDemo(() => undefined)
    for (const surface of ['discord', 'telegram']) {
      const evening = lines.filter((line) => line.surface === surface)
      const shown = (said: string | RegExp): DemoLine => {
        const line = evening.findLast((each) => (typeof said === 'string' ? each.said === said : said.test(each.said)))
        if (!line) throw new Error(`nothing on ${surface} for ${said}`)
        return line
      }
      const sizeOf = ({ picture }: DemoLine) => picture && [picture.width, picture.height]

      expect(sizeOf(shown('a cute cat 16:9'))).toEqual([1024, 576])
      for (const again of [/^🎲 Again/, /add a rainbow$/]) {
        expect(sizeOf(shown(again))).toEqual([1024, 576])
        expect(shown(again).answer).toMatch(/from #[0-9a-f]{8}$/)
      }
      expect(sizeOf(shown(/^🔍 Upscale/))).toEqual([2048, 1152])
      expect(shown('⭐').answer).toBe('⭐ Added to your favourites.')

      const [drawing, finished] = evening.filter(({ said }) => said.startsWith('a red house'))
      expect(drawing?.answer).toMatch(/^🎨 Drawing, \d+ %, about \d+ s left: a red house/)
      expect(sizeOf(finished!)).toEqual([768, 512])
      expect(sizeOf(shown(/^a city at night/))).toEqual([768, 512])
      expect(shown('a forest in autumn').answer).toMatch(/^⏳ .*in the queue.*: a forest in autumn$/i)
      expect(shown('/queue').answer).toMatch(
        /1\. ⏳ Number 2 in the queue, about \d+ s: a forest .*\n2\. ⏳ Number 1 .*\n3\. 🎨 Drawing/,
      )
      expect(shown('Cancel').answer).toContain('Cancelled. Nothing was charged: 1 credit given back.')

      expect(shown('/settings ratio 3:2').answer).toContain('Ratio: 3:2 · yours')
      expect(sizeOf(shown('a meadow in the mountains'))).toEqual([768, 512])
      expect(sizeOf(shown(/^🔀 Vary/))).toEqual([768, 512])
      expect(shown(/--enhance=ask$/).answer).toContain('✨ a boat in front of mountains, in soft morning light')
      expect(shown(/^✨ Use it/).answer).toContain(
        '✨ a boat in front of mountains, in soft morning light (small-talk-1)',
      )
      const dog = shown('/flux a dog in the snow --private')
      expect([sizeOf(dog), dog.seenBy]).toEqual([
        [768, 512],
        surface === 'discord' ? 'only the person' : 'the private chat',
      ])
      expect(shown('flowers in a garden --n 3').answer).toContain('costs 3 credits and you have 2.')
      expect(shown('/credits give @ann 5').answer).toContain('now 7 credits')
      expect(shown('/models').answer).toContain('⭐ Sketch (built in) · sketch · 1 credit a picture · default')
      expect(shown('/history').answer).toMatch(/1\. ✅ a dog in the snow .*\n2\. ✅ a boat/)
      expect(shown(/^Older/).answer).toMatch(/\n\d\. ✅ a cute cat/)
      expect(shown(/^雪山/).answer).toMatch(/· 1 积分，剩余 14 ·/)
    }
  })
})
