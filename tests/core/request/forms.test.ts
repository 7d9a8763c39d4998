import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/core/errors.ts'
import { offeredAspects } from '../../../src/core/request/choose-model.ts'
import { parsePrompt } from '../../../src/core/request/parse.ts'
import { models } from '../../../src/models/index.ts'

/** Cases of each property. FUZZ_RUNS=100000 is the full run; the suite runs a part of it. */
const numRuns = Number(process.env.FUZZ_RUNS ?? 5_000)

const ratios = offeredAspects(models)
const parse = (text: string) => parsePrompt(text, { ratios })
const cat = { prompt: 'a cat' }
const wide = { ...cat, aspect: '16:9' }

describe('a flag', () => {
  it.each([
    ['a cat --ar=16:9', wide],
    ['a cat --ar:16:9', wide],
    ['a cat --ar：16：9', wide],
    ['a cat --ar16:9', wide],
    ['a cat --ar = 16:9', wide],
    ['a cat --ar (16:9)', wide],
    ['a cat--ar 16:9', wide],
    ['a cat —ar 16:9', wide],
    ['a cat—ar 16:9', wide],
    ['a cat ––ar 16:9', wide],
    ['a cat —-ar 16:9', wide],
    ['a cat ――ar 16:9', wide],
    ['a cat −−ar 16:9', wide],
    ['a cat －－ar 16:9', wide],
    ['a cat －－ＡＲ　１６：９', wide],
    ['a cat — ar 16:9', wide],
    ['a cat -ar 16:9', wide],
    ['一只猫——ar 16:9', { prompt: '一只猫', aspect: '16:9' }],
    ['a cat --n=3', { ...cat, count: 3 }],
    ['a cat --n3.', { ...cat, count: 3 }],
    ['a cat —seed=7 16:9', { ...wide, seed: '7' }],
    ['a cat --n3 --steps20--seed7', { ...cat, count: 3, steps: 20, seed: '7' }],
    ['a cat --ar 16:9, watercolor', { prompt: 'a cat, watercolor', aspect: '16:9' }],
    ['a cat --enhance=on', { ...cat, enhance: true }],
    ['a cat --enhance=off', { ...cat, enhance: false }],
    ['a cat --no text --no frames', { ...cat, negative: 'text, frames' }],
    ['a cat --no text, frames, --ar 16:9', { ...wide, negative: 'text, frames' }],
    ['a cat --no text, 16:9', { ...wide, negative: 'text' }],
    ['a cat --no 文字，边框 16:9', { ...wide, negative: '文字，边框' }],
  ])('%j', (text, params) => expect(parse(text)).toEqual(params))

  it.each([
    '"lens flare"',
    "'lens flare'",
    '“lens flare”',
    '”lens flare”',
    '„lens flare“',
    '‘lens flare’',
    '‚lens flare‘',
    '«lens flare»',
    '»lens flare«',
    '‹lens flare›',
    '「lens flare」',
    '『lens flare』',
    '《lens flare》',
    '＂lens flare＂',
  ])('may have its value in quotation marks: %s', (value) => {
    expect(parse(`a cat --no ${value} 16:9`)).toEqual({ ...wide, negative: 'lens flare' })
    expect(parse(`a cat --no=${value} 16:9`)).toEqual({ ...wide, negative: 'lens flare' })
    expect(parse(`a cat --ar ${value.replace('lens flare', '16:9')}`)).toEqual(wide)
  })

  it.each([
    ['a cat -- --ar 16:9', { prompt: 'a cat --ar 16:9' }],
    ['a cat --seed 7 -- a sign --sale', { prompt: 'a cat a sign --sale', seed: '7' }],
    ['a dog--still young', { prompt: 'a dog--still young' }],
    ['a beach—no people', { prompt: 'a beach—no people' }],
    ['一只猫——戴着帽子', { prompt: '一只猫——戴着帽子' }],
    ['a cat — black', { prompt: 'a cat — black' }],
  ])('is none in %j', (text, params) => expect(parse(text)).toEqual(params))

  it.each([
    ['a cat --sede 7', '--sede'],
    ['a cat--sede 7', '--sede'],
    ['a cat ––sede=7', '--sede'],
    ['a cat --aspect-ratio 16:9', '--aspect-ratio'],
    ['a cat --style raw', '--style'],
  ])('that does not exist is refused by its name: %j', (text, name) => {
    expect(() => parse(text)).toThrow(AppError)
    expect(() => parse(text)).toThrow(`unknown_option {"name":"${name}"`)
  })
})

describe('a ratio', () => {
  it.each([
    ['一只可爱的猫，16:9', { prompt: '一只可爱的猫', aspect: '16:9' }],
    ['一只可爱的猫16:9', { prompt: '一只可爱的猫', aspect: '16:9' }],
    ['a cat 16:9.', wide],
    ['a cat 16:9!', wide],
    ['a cat, 16:9', wide],
    ['a cat [16:9]', wide],
    ['a cat 【16：9】', wide],
    ['a cat “16:9”', wide],
    ['a cat - 16:9', wide],
    ['a cat in 16:9', wide],
    ['a cat 16/9', wide],
    ['a cat 16 by 9', wide],
    ['a cat -- 16:9', wide],
    ['a cat 1024X576', { ...cat, aspect: '1024x576' }],
    ['a cat 1024*576', { ...cat, aspect: '1024x576' }],
    ['a cat 1024 × 576', { ...cat, aspect: '1024x576' }],
    ['a cat 1024x576px', { ...cat, aspect: '1024x576' }],
    ['a cat, 1024 x 576 pixels, watercolor', { prompt: 'a cat, watercolor', aspect: '1024x576' }],
    ['一只猫 1024x576像素', { prompt: '一只猫', aspect: '1024x576' }],
    ['a cat --ar 1024x576px', { ...cat, aspect: '1024x576' }],
    ['a cat, 16:9, watercolor', { prompt: 'a cat, watercolor', aspect: '16:9' }],
    ['a cat aspect ratio 9:16, night', { prompt: 'a cat, night', aspect: '9:16' }],
    ['一只猫，16：9，水彩', { prompt: '一只猫，水彩', aspect: '16:9' }],
    ['16:9, a cat', wide],
    ['a cat\n16:9\nwatercolor', { prompt: 'a cat watercolor', aspect: '16:9' }],
    ['A cat. 16:9. Oil.', { prompt: 'A cat. Oil.', aspect: '16:9' }],
    ['a cat in 16:9 format on a mat', { prompt: 'a cat on a mat', aspect: '16:9' }],
    ['a cat with a 16:9 aspect ratio', wide],
    ['a cat, aspect ratio: 16:9, oil', { prompt: 'a cat, oil', aspect: '16:9' }],
    ['比例 16:9 一只猫', { prompt: '一只猫', aspect: '16:9' }],
    ['用16:9的比例画一只猫', { prompt: '画一只猫', aspect: '16:9' }],
    ['ein Bild im 16:9-Format', { prompt: 'ein Bild', aspect: '16:9' }],
  ])('%j', (text, params) => expect(parse(text)).toEqual(params))

  it.each([
    'a station clock at 12:45',
    'an engraving of John 3:16',
    'alarm clock showing 7:30',
    'a clock showing 09:16',
    'a film still 2.35:1',
    'a portrait, 3/4 view',
    'a glass filled to 3/4',
    'a jeep 4x4',
    'a poster of 24x36',
    'a 3:2 victory poster',
    'from 1:16:9',
    'chat/completions: a clock showing 10:30',
  ])('is none in %j', (text) => expect(parse(text)).toEqual({ prompt: text }))

  const separators = [':', '：', '∶', 'x', 'X', '×', '*', ' : ', ' x ', '： ']
  const digits = (text: string, full: boolean) =>
    full ? text.replace(/\d/g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0)) : text
  const placed = (ratio: string, words: string) => [
    `${words} ${ratio}`,
    `${words}, ${ratio}`,
    `${words}，${ratio}。`,
    `${words} (${ratio})`,
    `${words} ${ratio}.`,
    `${words}\n${ratio}`,
    `${ratio}, ${words}`,
    `${words} --ar ${ratio}`,
    `${words} --ar=${ratio}`,
    `${words} ––ar ${ratio}`,
    `${words}--ar${ratio}`,
    `比例 ${ratio} ${words}`,
    `aspect ratio ${ratio} ${words}`,
    `${words} in ${ratio} format`,
  ]
  const word = fc.constantFrom(
    'cat',
    'dog',
    '猫',
    'кот',
    "it's",
    '12:45',
    'no',
    '3/4',
    'très',
    'well-known',
    '5',
    '👩‍🚀',
  )
  const words = fc
    .array(word, { minLength: 1, maxLength: 8 })
    // a number before a ratio would belong to it
    .map((each) => `a ${each.join(' ')} sat`)

  it('that a model offers is found in every written form and place, and no word is lost', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ratios), fc.constantFrom(...separators), fc.boolean(), words, (...given) => {
        const [ratio, separator, full, text] = given
        const written = digits(ratio.replace(':', separator), full)
        for (const prompt of placed(written, text)) expect(parse(prompt)).toEqual({ prompt: text, aspect: ratio })
      }),
      { numRuns: Math.ceil(numRuns / 10) },
    )
  })

  it('among flags, with any dash and sign before its value, is found, and no word is lost', () => {
    const dashes = ['--', '—', '––', '—-', '――', '−−', '－－']
    const signs = [' ', '=', ':', ' = ', '： ', '＝']
    const flags: [string, string, object][] = [
      ['ar', '16:9', { aspect: '16:9' }],
      ['seed', '7', { seed: '7' }],
      ['n', '3', { count: 3 }],
      ['steps', '20', { steps: 20 }],
      ['guidance', '3.5', { guidance: 3.5 }],
      ['strength', '0.5', { strength: 0.5 }],
      ['model', 'sketch', { model: 'sketch' }],
      ['no', '“hats”', { negative: 'hats' }],
    ]
    const some = fc.subarray(flags, { minLength: 1 })
    fc.assert(
      fc.property(some, fc.constantFrom(...dashes), fc.constantFrom(...signs), words, (given, dash, sign, text) => {
        const written = given.map(([name, value]) => `${dash}${name}${sign}${value}`).join(' ')
        const params = Object.assign({}, ...given.map(([, , each]) => each))
        expect(parse(`${text} ${written}`)).toEqual({ prompt: text, ...params })
      }),
      { numRuns: Math.ceil(numRuns / 5) },
    )
  })

  it('that no model offers leaves the words as they are', () => {
    const number = fc.integer({ min: 1, max: 63 })
    fc.assert(
      fc.property(number, number, words, (width, height, text) => {
        fc.pre(!ratios.includes(`${width}:${height}`))
        const prompt = `${text} ${width}:${height}`
        expect(parse(prompt)).toEqual({ prompt })
      }),
      { numRuns },
    )
  })
})

describe('a prompt of several lines', () => {
  it('keeps its lines where they count', () => {
    expect(parsePrompt('a cat\r\n\r\n\r\non a mat \n --seed 7', { ratios, lines: true })).toEqual({
      prompt: 'a cat\n\non a mat',
      seed: '7',
    })
    expect(parsePrompt('a cat\n16:9\nwatercolor', { ratios, lines: true }).prompt).toBe('a cat\nwatercolor')
  })
})

describe('a long run of separators', () => {
  it.each([
    ['before the ratio', `${','.repeat(15_000)}a cat 16:9`],
    ['in the middle of a list', `a cat --no ${','.repeat(15_000)}a`],
  ])('costs no time %s', (_where, text) => {
    const before = process.cpuUsage()
    try {
      parse(text)
    } catch (error) {
      expect(error).toMatchObject({ kind: 'prompt_too_long' })
    }
    const { user, system } = process.cpuUsage(before)
    // a few milliseconds; trying each place of the run as a start would take a second
    expect((user + system) / 1000).toBeLessThan(400)
  })
})
