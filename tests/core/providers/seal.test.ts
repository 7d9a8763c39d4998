import { randomBytes, randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { seal, unseal } from '../../../src/core/providers/seal.ts'

const secretKey = randomBytes(32)
const row = randomUUID()

describe('a sealed secret', () => {
  it('is opened with its key in its row', () => {
    const sealed = seal(secretKey, row, 'fal-key:秘密')
    expect(sealed).not.toContain('fal-key')
    expect(unseal(secretKey, row, sealed)).toBe('fal-key:秘密')
    expect(seal(secretKey, row, 'fal-key:秘密')).not.toBe(sealed)
  })

  it('is not opened in another row, with another key, or with any character changed', () => {
    const sealed = seal(secretKey, row, 'fal-key')
    expect(unseal(secretKey, randomUUID(), sealed)).toBeUndefined()
    expect(unseal(randomBytes(32), row, sealed)).toBeUndefined()
    for (let at = 0; at < sealed.length; at++) {
      const wrong = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1)
      // the last character of a base64url part may have unused bits
      const opened = unseal(secretKey, row, wrong)
      expect([undefined, 'fal-key']).toContain(opened)
      if (opened !== undefined) expect(['.', undefined]).toContain(sealed[at + 1])
    }
    for (const wrong of ['', 'v1', 'v1.a.b.c.d', `v2${sealed.slice(2)}`])
      expect(unseal(secretKey, row, wrong)).toBeUndefined()
  })
})
