import { describe, expect, it } from 'vitest'
import { playDemo } from './demo.ts'

describe('the demo', () => {
  it('shows pictures, an unknown ratio, missing credits and an administrator who adds some, on both chats', async () => {
    const lines = await playDemo(() => undefined)
    for (const surface of ['discord', 'telegram']) {
      const answers = lines.filter((line) => line.surface === surface)
      expect(answers.map(({ picture }) => picture && [picture.width, picture.height])).toEqual([
        [1024, 576],
        [576, 1024],
        [1024, 576],
        undefined,
        undefined,
        undefined,
        undefined,
        [768, 512],
      ])
      expect(answers[3]?.answer).toContain('It offers: 1:1')
      expect(answers[4]?.answer).toContain('1 credit.')
      expect(answers[5]?.answer).toContain('costs 3 credits and you have 1')
      expect(answers[6]?.answer).toContain('now 6 credits')
    }
  })
})
