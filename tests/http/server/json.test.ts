import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { base64, toJson } from '../../../src/http/server/json.ts'

describe('JSON with pictures', () => {
  it('equals JSON in which the pictures are base64 strings', () => {
    for (const sizes of [[0], [1], [2, 3], [4, 300_000, 5]]) {
      const pictures = sizes.map((size) => randomBytes(size))
      const answer = (shown: (data: Buffer) => unknown) => ({
        prompt: 'größer "quoted" \u2028 🐈 <b>',
        data: pictures.map((data) => ({ b64_json: shown(data), revised_prompt: '猫' })),
      })
      const plain = JSON.stringify(answer((data) => data.toString('base64')))
      expect(toJson(answer(base64)).toString()).toBe(plain)
      // serializers other than toJson produce the same
      expect(JSON.stringify(answer(base64))).toBe(plain)
    }
  })

  it('is text without pictures, and a failure does not affect the next call', () => {
    const circle: { self?: object; picture: unknown } = { picture: base64(Buffer.from('abc')) }
    circle.self = circle
    expect(() => toJson(circle)).toThrow(TypeError)
    expect(JSON.stringify(base64(Buffer.from('abc')))).toBe('"YWJj"')
    expect(toJson({ a: [1, null] })).toBe('{"a":[1,null]}')
  })
})
