/**
 * Parses text into parameters: `a cute cat --seed 7 16:9`. Flags may be anywhere. Whether a model takes the parameters is checked
 * later (check.ts).
 */
import { AppError, type OptionNames } from '../errors.ts'
import type { RequestParams } from '../ports/models.ts'
import { cleanLines, foldSpaces } from '../text.ts'
import { findAspect, readAspect } from './aspect.ts'
import { type Flag, flagNames, flags, mayHaveFlags, splitFlags } from './flags.ts'
import { formatExpand, readExpand } from './grow.ts'
import { formatLora, readLoras } from './loras.ts'

/** Characters of a prompt. More than the text encoder of any provider uses. */
export const promptLimit = 4000

/** The flag of each option, for error messages in chats. */
export const flagSpellings: OptionNames = {
  ...Object.fromEntries(flagNames.map((flag) => [flags[flag], `--${flag}`])),
  size: '--ar',
}

/** What a message in a chat asks for. */
export interface Message extends RequestParams {
  /** Whether only the person sees the pictures. Absent: as the settings say. */
  private?: boolean
  /** The person wants to see the enhanced prompt first. */
  ask?: boolean
}

interface ParseOptions {
  /** Ratios that count where no flag names them: those that some model offers. */
  ratios: readonly string[]
  /** Keeps the line breaks of the prompt. */
  lines?: boolean
}

/**
 * For programs: their pictures are always private, and they cannot be asked to choose a prompt. Throws as `parseMessage`, and
 * AppError bad_option for `--enhance=ask`.
 */
export function parsePrompt(text: string, options: ParseOptions): RequestParams {
  const { private: _, ask, ...params } = parseMessage(text, options)
  if (ask) throw new AppError('bad_option', { name: 'enhance', value: 'ask', expected: 'on, off' })
  return params
}

/** Throws AppError prompt_too_long, bad_option, unknown_option, lora_address, too_many_loras. The prompt may be empty: some models need pictures only. */
export function parseMessage(text: string, { ratios, lines = false }: ParseOptions): Message {
  // refused before any further work; the flags cannot need three times the length of a prompt
  if (text.length > promptLimit * 4) throw new AppError('prompt_too_long', { limit: promptLimit })
  const { words, values } = splitFlags(cleanLines(text))
  const found = values.ar === undefined ? findAspect(cleanLines(words), ratios) : undefined
  const aspect = values.ar === undefined ? found?.aspect : readAspect(values.ar, ratios)
  const written = found?.prompt ?? words
  const prompt = lines ? cleanLines(written) : foldSpaces(written)
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
    scale: values.scale === undefined ? undefined : readNumber('scale', values.scale.replace(/[x×]$/i, ''), true),
    expand: values.expand === undefined ? undefined : readExpand(values.expand),
    loras: values.lora === undefined ? undefined : readLoras(values.lora),
    negative: values.no === undefined ? undefined : foldSpaces(values.no),
    ...(values.enhance === 'ask'
      ? { ask: true }
      : { enhance: values.enhance === undefined ? undefined : readSwitch('enhance', values.enhance, 'on, off, ask') }),
    private: values.private === undefined ? undefined : readSwitch('private', values.private, 'on, off'),
  })
}

/** Writes parameters as text that `parsePrompt` parses into the same parameters. */
export function formatParams(params: RequestParams): string {
  const flag = (name: Flag, value: string | number | undefined) => (value === undefined ? [] : [`--${name} ${value}`])
  const quoted = (value: string | undefined) => (value === undefined ? undefined : `"${value}"`)
  const written = [
    ...flag('ar', params.aspect),
    ...flag('model', quoted(params.model)),
    ...flag('n', params.count),
    ...flag('seed', params.seed),
    ...flag('steps', params.steps),
    ...flag('guidance', params.guidance),
    ...flag('strength', params.strength),
    ...flag('scale', params.scale),
    ...flag('expand', params.expand && formatExpand(params.expand)),
    ...(params.loras ?? []).flatMap((lora) => flag('lora', quoted(formatLora(lora)))),
    ...flag('no', quoted(params.negative)),
    ...(params.enhance === undefined ? [] : [params.enhance ? '--enhance' : '--enhance=off']),
  ]
  const { prompt } = params
  const parts = mayHaveFlags(prompt) ? [...written, '--', prompt] : [prompt, ...written]
  return parts.filter((part) => part !== '').join(' ')
}

/** A seed has up to 20 digits and stays text. undefined: '-1', which asks for a random seed. Throws AppError bad_option. */
export function readSeed(value: string): string | undefined {
  if (value === '-1') return undefined
  if (!/^\d{1,20}$/.test(value)) throw new AppError('bad_option', { name: 'seed', value, expected: '0, 1, 2 …' })
  return BigInt(value).toString()
}

/** Throws AppError bad_option. */
function readSwitch(name: string, value: string, expected: string): boolean {
  if (['on', 'true', 'yes', '1'].includes(value)) return true
  if (['off', 'false', 'no', '0'].includes(value)) return false
  throw new AppError('bad_option', { name, value, expected })
}

function readNumber(name: string, value: string, whole: boolean): number {
  const number = /^-?\d{1,9}(\.\d{1,6})?$/.test(value) ? Number(value) : Number.NaN
  if (Number.isNaN(number) || (whole && !Number.isInteger(number))) {
    throw new AppError('bad_option', { name, value, expected: whole ? '1, 2, 3 …' : '0.5' })
  }
  return number
}

function withoutAbsent(message: Message): Message {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined)) as unknown as Message
}
