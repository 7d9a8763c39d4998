import { describe, expect, it } from 'vitest'
import type { AnyCommand } from '../../src/bots/command.ts'
import { valuesOf } from '../../src/bots/options.ts'
import { AppError } from '../../src/core/errors.ts'
import { wordsFor } from '../../src/locales/index.ts'

const command = {
  name: 'credits',
  options: {
    action: { type: 'choice', choices: ['give', 'take'], required: true },
    amount: { type: 'integer', min: 1, max: 9, required: true },
    reason: { type: 'text', rest: true },
    note: { type: 'text', flag: true },
  },
} as unknown as AnyCommand

describe('options of a command', () => {
  it.each([
    ['give 5', {}, { action: 'give', amount: 5 }],
    ['GIVE 5 for the nice picture', {}, { action: 'give', amount: 5, reason: 'for the nice picture' }],
    ['give --note hello 5', {}, { action: 'give', amount: 5, note: 'hello' }],
    ['ignored words', { action: 'take', amount: 3 }, { action: 'take', amount: 3 }],
  ])('reads "%s" with %j', (text, typed, expected) => {
    expect(valuesOf(command, text, typed)).toEqual(expected)
  })

  it.each([
    ['', {}, 'action needs a value, such as give, take.'],
    ['give', {}, 'amount needs a value, such as 1–9.'],
    ['', { amount: 3 }, 'action needs a value, such as give, take.'],
    ['lend 5', {}, 'Write give or take after /credits.'],
    ['give 50', {}, '"50" does not fit amount. Use a whole number: 1–9.'],
    ['give 5 --colour red', {}, 'There is no option --colour. Options: --note.'],
  ])('refuses "%s" with %j', (text, typed, sentence) => {
    expect(refusal(() => valuesOf(command, text, typed))).toBe(sentence)
  })
})

function refusal(act: () => unknown): string {
  try {
    return JSON.stringify(act())
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return wordsFor('en').errors[error.kind](error.data)
  }
}
