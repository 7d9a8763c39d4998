/**
 * Text → params: `a cute cat --seed 7 16:9`. Flags may stand anywhere; a ratio or a size counts at the very end only.
 * Nothing here knows a model: what a model takes is decided in request.ts.
 */
import { AppError, type OptionNames } from '../errors.ts'
import type { RequestParams } from '../ports/models.ts'
import { cleanText } from '../text.ts'

/** Characters. The longest that any provider's text encoder makes use of is well below. */
export const promptLimit = 4000

/** Flag → the option that it sets. */
const flags = {
  ar: 'aspect',
  seed: 'seed',
  n: 'count',
  no: 'negative',
  model: 'model',
  steps: 'steps',
  guidance: 'guidance',
  strength: 'strength',
  enhance: 'enhance',
} as const satisfies Readonly<Record<string, Exclude<keyof RequestParams, 'prompt'>>>
type Flag = keyof typeof flags

const flagNames = Object.keys(flags) as Flag[]

/** How plain text spells the options. */
export const flagSpellings: OptionNames = {
  ...Object.fromEntries(flagNames.map((flag) => [flags[flag], `--${flag}`])),
  size: '--ar',
}

const aspectAtEnd = /(?:^|\s)(\d{1,3}[:：]\d{1,3}|\d{2,4}[x×]\d{2,4})$/u
const aspectForm = /^(\d{1,3}:\d{1,3}|\d{2,4}x\d{2,4})$/u

/** Throws AppError: empty_prompt, prompt_too_long, bad_option, unknown_option. An empty prompt is allowed with `images`. */
export function parsePrompt(text: string): RequestParams {
  // cut before any further work: a flag block cannot need more than the prompt itself
  if (text.length > promptLimit * 4) throw new AppError('prompt_too_long', { limit: promptLimit })
  const { words, values } = splitFlags(cleanText(text).split(' '))
  let prompt = words.join(' ')
  let aspect = values.ar === undefined ? undefined : readAspect(values.ar)
  const suffix = aspect === undefined ? aspectAtEnd.exec(prompt) : null
  if (suffix?.[1] !== undefined) {
    aspect = readAspect(suffix[1])
    prompt = prompt.slice(0, suffix.index).trimEnd()
  }
  if (prompt.length > promptLimit) throw new AppError('prompt_too_long', { limit: promptLimit })
  return withoutAbsent({
    prompt,
    aspect,
    model: values.model?.toLowerCase(),
    count: values.n === undefined ? undefined : readNumber('count', values.n, true),
    seed: values.seed === undefined ? undefined : readSeed(values.seed),
    steps: values.steps === undefined ? undefined : readNumber('steps', values.steps, true),
    guidance: values.guidance === undefined ? undefined : readNumber('guidance', values.guidance, false),
    strength: values.strength === undefined ? undefined : readNumber('strength', values.strength, false),
    negative: values.no,
    enhance: values.enhance === undefined ? undefined : true,
  })
}

/** The text that `parsePrompt` turns back into the same params. */
export function formatParams(params: RequestParams): string {
  const flag = (name: Flag, value: string | number | undefined) => (value === undefined ? [] : [`--${name} ${value}`])
  return [
    params.prompt,
    ...flag('ar', params.aspect),
    ...flag('model', params.model),
    ...flag('n', params.count),
    ...flag('seed', params.seed),
    ...flag('steps', params.steps),
    ...flag('guidance', params.guidance),
    ...flag('strength', params.strength),
    ...flag('no', params.negative === undefined ? undefined : `"${params.negative}"`),
    ...(params.enhance ? ['--enhance'] : []),
  ]
    .filter((part) => part !== '')
    .join(' ')
}

/** '16：9' → '16:9', '640×480' → '640x480'. Throws AppError bad_option. */
export function readAspect(value: string): string {
  const aspect = value.trim().toLowerCase().replace('：', ':').replace('×', 'x')
  if (!aspectForm.test(aspect)) throw new AppError('bad_option', { name: 'aspect', value, expected: '16:9' })
  return aspect
}

/** '-1' means any: undefined. Up to 20 digits, kept as text. Throws AppError bad_option. */
export function readSeed(value: string): string | undefined {
  if (value === '-1') return undefined
  if (!/^\d{1,20}$/.test(value)) throw new AppError('bad_option', { name: 'seed', value, expected: '0, 1, 2 …' })
  return BigInt(value).toString()
}

function splitFlags(tokens: string[]): { words: string[]; values: Partial<Record<Flag, string>> } {
  const words: string[] = []
  const values: Partial<Record<Flag, string>> = {}
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? ''
    const name = flagName(token)
    if (name === undefined) {
      words.push(token)
    } else if (name === 'enhance') {
      values.enhance = ''
    } else {
      const end = name === 'no' ? endOfList(tokens, at + 1) : at + 2
      values[name] = readValue(name, tokens.slice(at + 1, end))
      at = end - 1
    }
  }
  return { words, values }
}

/** Phones turn two hyphens into one dash, so '—seed' is a flag too; prose such as '—he said' is not. */
function flagName(token: string): Flag | undefined {
  const match = /^(--|—|–)([a-z]+)$/i.exec(token)
  if (!match) return undefined
  const name = (match[2] ?? '').toLowerCase()
  const known = flagNames.find((flag) => flag === name)
  if (known === undefined && match[1] === '--') {
    throw new AppError('unknown_option', { name: `--${name}`, available: flagNames.map((flag) => `--${flag}`) })
  }
  return known
}

/** `--no` takes one word, a list such as 'text, frames', or anything in double quotes. */
function endOfList(tokens: string[], start: number): number {
  const quoted = tokens[start]?.startsWith('"') ?? false
  let at = start
  if (quoted) while (at < tokens.length && !(tokens[at]?.endsWith('"') && (at > start || tokens[at] !== '"'))) at++
  else while (at < tokens.length && tokens[at]?.endsWith(',')) at++
  return Math.min(at + 1, tokens.length)
}

function readValue(name: Flag, tokens: string[]): string {
  const value = name === 'no' ? tokens.join(' ').replaceAll('"', '').trim() : (tokens[0] ?? '')
  if (value === '' || flagName(tokens[0] ?? '') !== undefined) {
    throw new AppError('bad_option', { name: flags[name], value: '', expected: name === 'ar' ? '16:9' : '…' })
  }
  return value
}

function readNumber(name: string, value: string, whole: boolean): number {
  const number = /^-?\d{1,9}(\.\d{1,6})?$/.test(value) ? Number(value) : Number.NaN
  if (Number.isNaN(number) || (whole && !Number.isInteger(number))) {
    throw new AppError('bad_option', { name, value, expected: whole ? '1, 2, 3 …' : '0.5' })
  }
  return number
}

function withoutAbsent(params: RequestParams): RequestParams {
  return Object.fromEntries(
    Object.entries(params).filter(([, value]) => value !== undefined),
  ) as unknown as RequestParams
}
