/**
 * Takes the flags out of a prompt: `--seed 7`, `--seed=7`, `--seed:7`, `--seed7`, also glued to the word before, and with any dashes that
 * keyboards write in place of the two hyphens. Two hyphens and a space end the flags.
 */
import { AppError } from '../errors.ts'
import type { RequestParams } from '../ports/models.ts'
import { aspectAtStart } from './aspect.ts'
import { loraExample } from './loras.ts'
import { anyDash, longDash, plainSigns } from './plain.ts'

/** Flag → the option that it sets. */
export const flags = {
  ar: 'aspect',
  seed: 'seed',
  n: 'count',
  no: 'negative',
  model: 'model',
  steps: 'steps',
  guidance: 'guidance',
  strength: 'strength',
  scale: 'scale',
  expand: 'expand',
  lora: 'loras',
  enhance: 'enhance',
  private: 'private',
} as const satisfies Readonly<Record<string, Exclude<keyof RequestParams, 'prompt'> | 'private'>>
export type Flag = keyof typeof flags

export const flagNames = Object.keys(flags) as Flag[]

export type FlagValues = Partial<Record<Flag, string>>

/** In plain signs, at the first dash: the dashes and the name. */
const start = new RegExp(`(${anyDash}{2,3}|${longDash})(\\p{sc=Latin}+(?:-\\p{sc=Latin}+)*)`, 'iuy')
const dash = new RegExp(anyDash, 'u')
const endOfFlags = /--(?=\s|$)/y
/** What makes a value of an unknown flag likely. Other words after dashes are prose: `a dog--still young`. */
const valueAhead = /^\s*[=:]?\s*[-+]?\d|^[=:]\S/
const numberAhead = /^\s*[=:]?\s*\(?["“„«]?[-+]?\d/
const assignment = /^\s*[=:]\s*|^\s+/
// the look-behind prevents a quadratic search in long runs of punctuation
const afterValue = /(?<![,.;，。；、)\]）】])[,.;，。；、)\]）】]+$/u

/** Opening quotation mark → the marks that close it. */
const quotes: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '`': '`',
  '“': '”“"',
  '”': '”',
  '„': '“”"',
  '‟': '”',
  '‘': '’‘',
  '’': '’',
  '‚': '‘’',
  '‛': '’',
  '«': '»',
  '»': '«»',
  '‹': '›',
  '›': '‹›',
  '「': '」',
  '『': '』',
  '《': '》',
  '〈': '〉',
  '〝': '〞〟',
  '＂': '＂',
  '＇': '＇',
}

/** Flags of which each one counts → what stands between their values. Of others, the last one counts. */
const repeatable: FlagValues = { no: ', ', lora: ' ' }

/** Throws AppError bad_option, unknown_option. */
export function splitFlags(text: string): { words: string; values: FlagValues } {
  const plain = plainSigns(text)
  const values: FlagValues = {}
  const words: string[] = []
  let kept = 0
  let at = 0
  while (at < text.length) {
    if (!dash.test(plain.charAt(at))) {
      at++
      continue
    }
    if (endsFlags(plain, at))
      return { words: [join([...words, text.slice(kept, at)]), text.slice(at + 2)].join(' '), values }
    const flag = flagAt(plain, at)
    if (flag === undefined) {
      // all dashes of this run
      while (dash.test(plain.charAt(at))) at++
      continue
    }
    words.push(text.slice(kept, at))
    const value = valueAt(flag.name, { text, plain }, at + flag.length)
    const between = repeatable[flag.name]
    const earlier = between === undefined ? undefined : values[flag.name]
    values[flag.name] = earlier === undefined ? value.text : `${earlier}${between}${value.text}`
    at = value.end
    kept = at
  }
  return { words: join([...words, text.slice(kept)]), values }
}

/** What is left around the flags. A comma after a flag joins the words before the flag. */
function join(pieces: readonly string[]): string {
  return pieces.reduce((text, piece) => {
    if (!/^\s*[,.;，、。；]/u.test(piece)) return `${text} ${piece}`
    if (text.trim() === '' || /[,.;，、。；]\s*$/u.test(text))
      return `${text} ${piece.replace(/^\s*[,.;，、。；]/u, '')}`
    return piece.trim().length === 1 ? text : text.trimEnd() + piece.trimStart()
  })
}

/** Whether `splitFlags` might find a flag, or an end of flags, in it. */
export const mayHaveFlags = (text: string) => new RegExp(`${anyDash}{2}|${longDash}`, 'u').test(plainSigns(text))

function endsFlags(plain: string, at: number): boolean {
  endOfFlags.lastIndex = at
  return (at === 0 || /\s/.test(plain.charAt(at - 1))) && endOfFlags.test(plain)
}

/** undefined: these dashes are prose. Throws AppError unknown_option. */
function flagAt(plain: string, at: number): { name: Flag; length: number } | undefined {
  start.lastIndex = at
  const [whole = '', dashes = '', written = ''] = start.exec(plain) ?? []
  if (whole === '') return undefined
  const after = plain.slice(at + whole.length, at + whole.length + 40)
  const isGlued = at > 0 && !/\s/.test(plain.charAt(at - 1))
  const name = flagNames.find((each) => each === written.toLowerCase())
  if (name !== undefined) {
    const isProse = dashes.length === 1 && isGlued && !numberAhead.test(after)
    return isProse ? undefined : { name, length: whole.length }
  }
  const isMeant = dashes === '--' && !isGlued
  if (!isMeant && (dashes.length === 1 || !valueAhead.test(after))) return undefined
  throw new AppError('unknown_option', {
    name: `--${written.toLowerCase()}`,
    available: flagNames.map((each) => `--${each}`),
  })
}

/** The same text as it was written, and in plain signs. */
interface Written {
  text: string
  plain: string
}

/** 'left:256, top:50%': a space after the comma belongs to the list. */
const sidesAtStart = /^[a-z]+[:=]\d+(?:%|px)?(?:[,、] ?[a-z]+[:=]\d+(?:%|px)?)+/i

/** An address as it is written, so that hyphens in it start no flag, and its scale after a colon of any keyboard. */
const addressAtStart = /^<?https?:\/\/[!-~]+(?:：[\d.]+)?/i

/** White space is folded before. */
const shortGap = 8

interface Value {
  text: string
  end: number
}

/** `from`: index after the flag's name. Throws AppError bad_option. */
function valueAt(name: Flag, { text, plain }: Written, from: number): Value {
  if (name === 'enhance' || name === 'private') return switchAt(plain, from)
  const at = from + (assignment.exec(plain.slice(from))?.[0].length ?? 0)
  const value = quotedAt(text, at) ?? bareAt(name, { text, plain }, at)
  const inner = value.text.replaceAll('"', '').trim()
  if (inner === '') throw new AppError('bad_option', { name: flags[name], value: '', expected: examples[name] })
  return { text: inner, end: value.end }
}

const examples: Readonly<Partial<Record<Flag, string>>> = {
  ar: '16:9',
  seed: '7',
  n: '2',
  no: 'text',
  steps: '20',
  guidance: '3.5',
  strength: '0.8',
  expand: 'left:256,top:50%',
  lora: loraExample,
}

/** `--enhance`, `--enhance=off`. '' means on. */
function switchAt(plain: string, from: number): Value {
  const [whole, written] = /^[=:]\s*([^\s,.;]*)/.exec(plain.slice(from)) ?? ['', 'on']
  return { text: (written ?? '').toLowerCase(), end: from + whole.length }
}

/** undefined: no quotation mark, or none that closes it. */
function quotedAt(text: string, at: number): Value | undefined {
  const closing = quotes[text.charAt(at)]
  if (closing === undefined) return undefined
  for (let end = at + 1; end < text.length; end++) {
    // an apostrophe inside a word closes nothing
    const isInWord = /['’]/.test(text.charAt(end)) && /\p{L}/u.test(text.charAt(end + 1))
    if (closing.includes(text.charAt(end)) && !isInWord) return { text: text.slice(at + 1, end), end: end + 1 }
  }
  return undefined
}

function bareAt(name: Flag, { text, plain }: Written, at: number): Value {
  const rest = text.slice(at)
  if (name === 'ar') {
    const isOpen = /^[([（【]/u.test(rest)
    const found = aspectAtStart(isOpen ? rest.slice(1) : rest)
    if (found) {
      const end = at + found.length + (isOpen ? 1 : 0)
      return { text: found.aspect, end: isOpen && /^[)\]）】]/u.test(text.slice(end)) ? end + 1 : end }
    }
  }
  const address = name === 'lora' ? addressAtStart.exec(rest)?.[0].replace(afterValue, '') : undefined
  if (address !== undefined) return { text: address, end: at + address.length }
  const listed = name === 'expand' ? sidesAtStart.exec(plain.slice(at))?.[0] : undefined
  const end = listed === undefined ? (name === 'no' ? endOfList(plain, at) : endOfWord(plain, at)) : at + listed.length
  const value = text.slice(at, end).replace(afterValue, '')
  return { text: name === 'no' ? value : plain.slice(at, at + value.length), end: at + value.length }
}

/** Index of the next white space or flag. */
function endOfWord(plain: string, from: number): number {
  for (let at = from; at < plain.length; at++) {
    const sign = plain.charAt(at)
    if (/\s/.test(sign) || (dash.test(sign) && startsFlag(plain, at))) return at
  }
  return plain.length
}

/** Of one word, or of a list such as 'text, frames'. A ratio ends the list: it belongs to the prompt. */
function endOfList(plain: string, from: number): number {
  let end = endOfWord(plain, from)
  for (;;) {
    const [gap = '', comma = ''] = /^\s*([,、]?)\s*/u.exec(plain.slice(end, end + shortGap)) ?? []
    const next = end + gap.length
    const isList = comma !== '' || /[,、]/.test(plain.charAt(end - 1))
    const nextEnd = endOfWord(plain, next)
    if (!isList || nextEnd === next || aspectAtStart(plain.slice(next, next + 60)) !== undefined) return end
    end = nextEnd
  }
}

function startsFlag(plain: string, at: number): boolean {
  try {
    return flagAt(plain, at) !== undefined
  } catch {
    return true
  }
}
