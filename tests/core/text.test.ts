import { describe, expect, it } from 'vitest'
import { cleanLines, cleanText } from '../../src/core/text.ts'

describe('text that people send', () => {
  it.each([
    ['an auto\u00ADmatic door', 'an automatic door'],
    ['\uFEFFa\u200B cat\u2060', 'a cat'],
    ['a\u202Ecat', 'acat'],
    ['a\uFE0Fb\u{E0100}c\u034Fd\u3164e', 'abcde'],
    ['a\u200Db\u200Cc', 'abc'],
    ['hi\u{E0041}\u{E0042}', 'hi'],
    ['a\u0000b\tc\u2028d', 'a b c d'],
    ['e\u0301', 'é'],
  ])('loses what has no shape: %j', (text, clean) => expect(cleanText(text)).toBe(clean))

  it.each(['👩‍🚀', '👨‍👩‍👧', '❤️', '1️⃣', '👩🏽‍❤️‍💋‍👨🏻', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', 'می‌خواهم', 'क्‍ष', '葛󠄀'])(
    'keeps what shapes other characters: %s',
    (text) => {
      expect(cleanText(text)).toBe(text)
    },
  )

  it('has at most four marks on one letter', () => {
    expect(cleanText(`Z${'\u0351'.repeat(300)}o`)).toBe(`Z${'\u0351'.repeat(4)}o`)
    expect(cleanText(`ا${'\u064B\u200C'.repeat(300)}`)).toHaveLength(5)
  })

  it('keeps its lines where they count', () => {
    expect(cleanLines(' a  cat \r\n on\u2028a mat\r\n\r\n\r\n\r\n')).toBe('a cat\non\na mat')
  })
})
