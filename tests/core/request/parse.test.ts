import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, asAppError, spelled } from '../../../src/core/errors.ts'
import type { Expand } from '../../../src/core/ports/models.ts'
import { offeredAspects } from '../../../src/core/request/choose-model.ts'
import { flagSpellings, formatParams, parseMessage, parsePrompt } from '../../../src/core/request/parse.ts'
import { models } from '../../../src/models/index.ts'
import { cpuSeconds } from '../../helpers/files.ts'

/** Cases of each property. FUZZ_RUNS=100000 is the full run; the suite runs a part of it. */
const numRuns = Number(process.env.FUZZ_RUNS ?? 5_000)

const ratios = offeredAspects(models)
const parse = (text: string) => parsePrompt(text, { ratios })

function kindOf(run: () => unknown): string {
  const error = errorOf(run)
  if (error === undefined) return 'none'
  return error instanceof AppError ? error.kind : `not an AppError: ${String(error)}`
}

function errorOf(run: () => unknown): unknown {
  try {
    run()
    return undefined
  } catch (error) {
    return error
  }
}

describe('a prompt', () => {
  it.each([
    ['a cute cat 16:9', { prompt: 'a cute cat', aspect: '16:9' }],
    ['a cute cat 16：9', { prompt: 'a cute cat', aspect: '16:9' }],
    ['a cute cat --ar 16:9', { prompt: 'a cute cat', aspect: '16:9' }],
    ['a 3:2 victory poster', { prompt: 'a 3:2 victory poster' }],
    ['a 3:2 victory 1:1', { prompt: 'a 3:2 victory', aspect: '1:1' }],
    ['a cat 640x480', { prompt: 'a cat', aspect: '640x480' }],
    ['  a \n cat\t ', { prompt: 'a cat' }],
    ['--seed 7 a cat --n 4 on a mat --no text', { prompt: 'a cat on a mat', seed: '7', count: 4, negative: 'text' }],
    ['a cat 16:9 --seed 7', { prompt: 'a cat', aspect: '16:9', seed: '7' }],
    ['a cat --no text, frames, hands on a mat', { prompt: 'a cat on a mat', negative: 'text, frames, hands' }],
    ['a cat --no "big text" on a mat', { prompt: 'a cat on a mat', negative: 'big text' }],
    ['a cat —seed 7', { prompt: 'a cat', seed: '7' }],
    ['a cat —he said', { prompt: 'a cat —he said' }],
    [
      'x --model DEV --steps 20 --guidance 3.5 --strength 0.8 --enhance',
      { prompt: 'x', model: 'dev', steps: 20, guidance: 3.5, strength: 0.8, enhance: true },
    ],
    ['x --seed 18446744073709551615', { prompt: 'x', seed: '18446744073709551615' }],
    ['x --seed -1', { prompt: 'x' }],
    ['x --private', { prompt: 'x' }],
    ['x --enhance=off', { prompt: 'x', enhance: false }],
    ['一只可爱的猫 9：16', { prompt: '一只可爱的猫', aspect: '9:16' }],
    ['16:9', { prompt: '', aspect: '16:9' }],
    ['a\u202Eb\u0000c 👩‍🚀', { prompt: 'ab c 👩‍🚀' }],
  ])('%j', (text, params) => {
    expect(parse(text)).toEqual(params)
  })

  it.each([
    ['a cat --ar wide', 'bad_option'],
    ['a cat --seed cat', 'bad_option'],
    ['a cat --n', 'bad_option'],
    ['a cat --n 1.5', 'bad_option'],
    ['a cat --no --seed 7', 'bad_option'],
    ['a cat --sede 7', 'unknown_option'],
    ['a cat --enhance=ask', 'bad_option'],
    ['a cat --private=maybe', 'bad_option'],
    ['a cat --expand', 'bad_option'],
    ['a cat --expand up:20', 'bad_option'],
    ['a cat --expand left:20,left:30', 'bad_option'],
    ['a cat --expand 0', 'bad_option'],
    ['a cat --expand 9000', 'bad_option'],
    ['x'.repeat(4001), 'prompt_too_long'],
    ['x'.repeat(100_000), 'prompt_too_long'],
  ])('%.40j is refused', (text, kind) => {
    expect(kindOf(() => parse(text))).toBe(kind)
  })

  it.each([
    ['a cat --ar wide', 'aspect', '--ar'],
    ['a cat --n 1.5', 'count', '--n'],
    ['a cat --no --seed 7', 'negative', '--no'],
    ['a cat --sede 7', '--sede', '--sede'],
  ])('%j is refused with the name of the option, which chats spell as a flag', (text, option, flag) => {
    const error = asAppError(errorOf(() => parse(text)))
    expect(error.data.name).toBe(option)
    expect(spelled(error, flagSpellings).name).toBe(flag)
  })

  it.each([
    ['a cat --expand left:256,top:50%', { left: 256, top: '50%' }],
    ['--expand=left:256, top:50% a cat', { left: 256, top: '50%' }],
    ['a cat —expand 20%', { left: '20%', right: '20%', top: '20%', bottom: '20%' }],
    ['a cat --expand all:64px', { left: 64, right: 64, top: 64, bottom: 64 }],
    ['a cat --expand：left：８％', { left: '8%' }],
  ])('says by how much a picture grows: %j', (text, expand) => {
    expect(parse(text)).toEqual({ prompt: 'a cat', expand })
    expect(parse(formatParams({ prompt: 'a cat', expand: expand as Expand }))).toEqual({ prompt: 'a cat', expand })
  })

  it.each([
    ['a cat --private 16:9', { prompt: 'a cat', aspect: '16:9', private: true }],
    ['a cat —private=off', { prompt: 'a cat', private: false }],
    ['a cat --enhance=ask', { prompt: 'a cat', ask: true }],
    ['a --private room', { prompt: 'a room', private: true }],
    ['a private room', { prompt: 'a private room' }],
  ])('of a chat may say who sees the picture, and what is shown first: %j', (text, message) => {
    expect(parseMessage(text, { ratios })).toEqual(message)
  })

  const token = fc.oneof(
    fc.constantFrom(
      '--ar',
      '--seed',
      '--n',
      '--no',
      '--model',
      '--steps',
      '--enhance',
      '—seed',
      '16:9',
      '16：9',
      '3x4',
      '640x480',
      '"',
      '-1',
      '7',
      'a,',
      '--',
      '\u202E',
      '\uD800',
    ),
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.string({ maxLength: 8 }),
  )
  const text = fc.array(token, { maxLength: 20 }).map((tokens) => tokens.join(' '))

  it('is parsed or refused with an AppError about the request', () => {
    fc.assert(
      fc.property(text, (input) => {
        expect(['none', 'bad_option', 'unknown_option', 'prompt_too_long']).toContain(kindOf(() => parse(input)))
      }),
      { numRuns },
    )
  })

  it('is parsed into the same parameters again after formatting', () => {
    fc.assert(
      fc.property(text, (input) => {
        if (kindOf(() => parse(input)) !== 'none') return
        const params = parse(input)
        expect(parse(formatParams(params))).toEqual(params)
      }),
      { numRuns },
    )
  })

  it('loses characters that hide or reorder text, and lone surrogates', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (input) => {
        if (kindOf(() => parse(input)) !== 'none') return
        expect(parse(input).prompt).not.toMatch(/[\p{Cc}\p{Cs}\p{Bidi_Control}\uFEFF]/u)
      }),
      { numRuns },
    )
  })

  it('of 100 kB takes at most 500 ms of CPU time', async () => {
    for (const piece of ['a ', '--no a, ', '1:1 ', '— ', '"', '--ar 1:1 ']) {
      const long = piece.repeat(Math.ceil(100_000 / piece.length))
      const seconds = await cpuSeconds(async () => {
        kindOf(() => parse(long))
        kindOf(() => parse(long.slice(0, 15_000)))
      })
      expect(seconds).toBeLessThan(0.5)
    }
  })
})
