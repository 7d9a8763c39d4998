import { describe, expect, it } from 'vitest'
import { AppError } from '../../src/core/errors.ts'
import { checkParams } from '../../src/core/request/check.ts'
import { midjourney } from '../../src/models/midjourney.ts'

const refusal = (prompt: string, negative?: string): string | undefined => {
  const [{ takes }] = midjourney.routes as [(typeof midjourney.routes)[0]]
  try {
    checkParams({ model: midjourney, takes }, { prompt, negative }, 0)
    return undefined
  } catch (error) {
    if (error instanceof AppError && error.kind === 'provider_flag') return String(error.data.name)
    throw error
  }
}

describe('words that Midjourney would read as parameters', () => {
  it.each([
    ['a cat --turbo', '--turbo'],
    ['a cat --FAST', '--fast'],
    ['--v 7 a cat', '--v'],
    ['a cat --v7', '--v7'],
    ['a cat --stylize 250', '--stylize'],
    ['a cat --no dogs', '--no'],
    ['a cat --ar 16:9', '--ar'],
    ['a cat--turbo', '--turbo'],
    ['a cat —relax', '--relax'],
    ['a cat –niji 6', '--niji'],
  ])('are refused by name: %s', (prompt, name) => {
    expect(refusal(prompt)).toBe(name)
    expect(refusal('a cat', prompt)).toBe(name)
  })

  it.each([
    'a dog--still young',
    'a fast car — turbo',
    'a cat —still young',
    'well-known -- and old',
    'a–b',
    'x --> y',
  ])('are prose: %s', (prompt) => expect(refusal(prompt)).toBeUndefined())
})
