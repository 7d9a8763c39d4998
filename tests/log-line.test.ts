import { describe, expect, it } from 'vitest'
import { readableLine } from '../src/log-line.ts'

const line = (entry: object) =>
  readableLine(JSON.stringify({ level: 'warn', time: '2026-01-02T03:04:05.678Z', ...entry }))
const err = { type: 'Error', message: 'it broke\nhere', stack: 'Error: it broke\n    at work (file.ts:1)' }

describe('a line of the log on a terminal', () => {
  it('has the time, the level, the message and the data', () => {
    expect(line({ msg: 'an attempt failed', provider: 'fal', attempt: 2, note: 'two words' })).toBe(
      '03:04:05 warn  an attempt failed provider=fal attempt=2 note="two words"\n',
    )
  })

  it('shows the stack of a defect only', () => {
    expect(line({ msg: 'an attempt failed', kind: 'provider_failed', err })).toBe(
      '03:04:05 warn  an attempt failed (it broke) kind=provider_failed\n',
    )
    expect(line({ msg: 'an attempt failed', kind: 'internal', err })).toContain('at work (file.ts:1)')
    expect(line({ level: 'error', msg: 'an act failed', err })).toContain('at work (file.ts:1)')
    expect(line({ level: 'error', msg: 'an act failed', err: { ...err, type: 'AppError' } })).not.toContain('at work')
  })
})
