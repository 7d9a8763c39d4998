/** Values of a command's options: typed options where the platform has them, else the words after the command. */
import { AppError } from '../core/errors.ts'
import type { Options } from '../core/ports/chat.ts'
import { anyDash, longDash, plainSigns } from '../core/request/plain.ts'
import { cleanText } from '../core/text.ts'
import type { AnyCommand, OptionSpec, OptionSpecs } from './command.ts'

type Given = Record<string, string | number | boolean | undefined>

/** Throws AppError bad_option and unknown_option, with the option's name. */
export function valuesOf({ name: command, options: specs }: AnyCommand, text: string, typed: Options): Given {
  const written = hasTyped(specs, typed) ? {} : parseWords(specs, text)
  const values: Given = {}
  const first = Object.keys(specs).find((name) => !specs[name]?.flag)
  for (const [name, spec] of Object.entries(specs)) {
    const value = typed[name] ?? written[name]
    if (spec.type === 'image') continue
    if (value === undefined && isMissing(spec))
      throw new AppError('bad_option', { name, value: '', ...exampleOf(spec) })
    const asked = { name, spec, ...(name === first && { command }) }
    values[name] = value === undefined ? undefined : checked(asked, value)
  }
  return values
}

/** A command that takes a prompt reports a missing one itself, because pictures may stand for it. */
const isMissing = ({ required, type }: OptionSpec) => required === true && type !== 'prompt'

function exampleOf(spec: OptionSpec): { expected?: string } {
  if (Array.isArray(spec.choices)) return { expected: spec.choices.join(', ') }
  return spec.type === 'integer' || spec.type === 'number' ? { expected: rangeOf(spec) } : {}
}

/** Surfaces with typed options send their text option as `text` as well, so that a prompt may hold flags. */
const hasTyped = (specs: OptionSpecs, typed: Options) => Object.keys(typed).some((name) => Object.hasOwn(specs, name))

/** 'give @ann 5 thanks' → by position, then flags; the last text takes what is left. */
function parseWords(specs: OptionSpecs, text: string): Record<string, string> {
  const prompt = Object.keys(specs).find((name) => specs[name]?.type === 'prompt')
  if (prompt !== undefined) return text === '' ? {} : { [prompt]: text }
  const { words, flags } = splitFlags(specs, cleanText(text))
  const byPosition = Object.entries(specs).filter(([, { type, flag, named }]) => type !== 'image' && !flag && !named)
  const values: Record<string, string> = { ...flags, ...takeLast(specs, words) }
  for (const [name, { rest }] of byPosition.filter(([, { last }]) => !last)) {
    const taken = words.splice(0, rest ? words.length : 1).join(' ')
    if (taken !== '') values[name] = taken
  }
  const [unknown] = Object.values(specs).some(({ named }) => named) ? words : []
  if (unknown !== undefined) throw new AppError('unknown_option', { name: unknown, available: Object.keys(specs) })
  return values
}

/** 'give @ann thanks 5' → 5, which is removed from the words. */
function takeLast(specs: OptionSpecs, words: string[]): Record<string, string> {
  const [name] = Object.entries(specs).find(([, { last }]) => last) ?? []
  const needed = Object.values(specs).filter(({ required }) => required).length
  const word = words.at(-1) ?? ''
  if (name === undefined || words.length <= needed || !/^\d+$/.test(word)) return {}
  words.pop()
  return { [name]: word }
}

/** A value may be a list with spaces: `--models a, b`. */
function splitFlags(specs: OptionSpecs, text: string): { words: string[]; flags: Record<string, string> } {
  const tokens = text === '' ? [] : text.split(' ')
  const words: string[] = []
  const flags: Record<string, string> = {}
  for (let at = 0; at < tokens.length; at++) {
    const flag = namedIn(specs, tokens[at] ?? '') ?? flagIn(specs, tokens[at] ?? '')
    if (flag === undefined) {
      words.push(tokens[at] ?? '')
      continue
    }
    if (specs[flag.name]?.type === 'switch' && flag.value === undefined) {
      flags[flag.name] = 'on'
      continue
    }
    // '--cap=5' holds its value, or the start of a list
    if (flag.value === undefined) at++
    else tokens[at] = flag.value
    const start = at
    while (tokens[at]?.endsWith(',') || tokens[at + 1]?.startsWith(',')) at++
    flags[flag.name] = tokens.slice(start, at + 1).join('')
  }
  return { words, flags }
}

const flagForm = new RegExp(`^(${anyDash}{2}|${longDash})([a-z_]+)(?:[=:](.*))?$`, 'i')

/** Reads 'ratio', 'ratio:' and 'ratio=16:9'. */
function namedIn(specs: OptionSpecs, token: string): { name: string; value?: string } | undefined {
  const [, written, value] = /^([a-z_]+)(?:[=:](.*))?$/i.exec(plainSigns(token)) ?? []
  const name = Object.keys(specs).find((each) => specs[each]?.named && each === written?.toLowerCase())
  return name === undefined ? undefined : { name, value: value || undefined }
}

/** Keyboards write dashes in place of two hyphens, so '—cap' is a flag too; a dash before any other word is not. */
function flagIn(specs: OptionSpecs, token: string): { name: string; value?: string } | undefined {
  const [, dashes, written, value] = flagForm.exec(plainSigns(token)) ?? []
  const names = Object.keys(specs).filter((each) => specs[each]?.flag || specs[each]?.named)
  const name = names.find((each) => each === written?.toLowerCase())
  if (name !== undefined) return { name, value }
  if (dashes === '--') {
    throw new AppError('unknown_option', { name: token, available: names.map((each) => `--${each}`) })
  }
  return undefined
}

interface AskedOption {
  name: string
  spec: OptionSpec
  /** Set for the option that follows the name of its command. */
  command?: string
}

function checked(option: AskedOption, value: string | number | boolean): string | number | boolean {
  const { name, spec } = option
  const text = cleanText(String(value))
  if (spec.type === 'prompt') return String(value)
  if (spec.type === 'switch') return switchOf(name, text)
  if (spec.type === 'choice') return choiceOf(option, text)
  if (spec.type !== 'integer' && spec.type !== 'number') return text
  const number = Number(text)
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = spec
  const fits = text !== '' && number >= min && number <= max && (spec.type === 'number' || Number.isInteger(number))
  if (!fits) {
    throw new AppError('bad_option', { name, value: text, type: spec.type, expected: rangeOf(spec) })
  }
  return number
}

function switchOf(name: string, text: string): boolean {
  const value = text.toLowerCase()
  if (value === 'true' || value === 'on') return true
  if (value === 'false' || value === 'off') return false
  throw new AppError('bad_option', { name, value: text, expected: 'on, off' })
}

/** In text any case will do. A choice of models takes their aliases too, which are checked where models are known. */
function choiceOf({ name, spec: { choices = [] }, command }: AskedOption, text: string): string {
  if (typeof choices === 'function') return text
  const choice = choices.find((each) => each === text.toLowerCase())
  if (choice === undefined) {
    throw new AppError('bad_option', { name, value: text, expected: choices.join(', '), command, available: choices })
  }
  return choice
}

function rangeOf({ min, max }: OptionSpec): string {
  if (min === undefined || max === undefined)
    return min === undefined ? '1, 2, 3 …' : `${min}, ${min + 1}, ${min + 2} …`
  return `${min}–${max}`
}
