/** Converts errors to status, kind and message. Each family puts them into its own format. */
import type { FastifyError, FastifyRequest } from 'fastify'
import { AppError, type ErrorKind, type OptionNames, spelled, spelledName } from '../../core/errors.ts'
import { localeOf, wordsFor } from '../../locales/index.ts'
import { statusOf } from '../server/error-status.ts'
import { InvalidRequest } from '../server/validation.ts'

export interface Problem {
  status: number
  /** A kind of core/errors.ts, or 'bad_request'. */
  kind: string
  message: string
  /** Invalid fields, where they are known. */
  fields: readonly { name: string; message: string }[]
  headers: Readonly<Record<string, string>>
}

/** Replaces messages of the framework that do not say what to change. */
export const frameworkMessages: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'Send JSON, with the header content-type: application/json.',
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body of the request is not valid JSON.',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'The body of the request is not valid JSON.',
}

/** Kinds of errors that name the option that they are about. */
const namesOption: ReadonlySet<ErrorKind> = new Set([
  'bad_option',
  'not_taken',
  'area_not_taken',
  'area_needed',
  'shape_kept',
])

/** Kind of error → the option that it is about. */
const options: Readonly<Partial<Record<ErrorKind, string>>> = {
  empty_prompt: 'prompt',
  model_not_allowed: 'model',
  model_off: 'model',
  prompt_too_long: 'prompt',
  unknown_model: 'model',
  unknown_provider: 'provider',
  unknown_ratio: 'aspect',
  words_not_taken: 'prompt',
  mask_size: 'mask',
  mask_empty: 'mask',
  lora_address: 'loras',
  unknown_lora: 'loras',
  too_many_loras: 'loras',
}

/** The field that an error is about. undefined: none, or not known. */
export function fieldOf({ kind, data }: AppError, names: OptionNames): string | undefined {
  const option = namesOption.has(kind) ? String(data.name) : options[kind]
  if (option !== undefined) return spelledName(option, names)
  return typeof data.position === 'number' ? `files.${data.position}` : undefined
}

/** Kind of error → seconds after which a retry may succeed. */
const retrySeconds: Readonly<Partial<Record<ErrorKind, number>>> = {
  too_fast: 3,
  too_many_in_flight: 5,
  too_many_wrong_keys: 60,
  idempotency_in_flight: 2,
  overloaded: 2,
  provider_busy: 5,
}

/** Whole seconds after which a retry may succeed. undefined: not known. */
export function retryAfterOf({ kind, data, retryAfterMs }: AppError): number | undefined {
  if (retryAfterMs !== undefined) return Math.ceil(retryAfterMs / 1000)
  return Number(data.seconds) || retrySeconds[kind]
}

const retryHeaders = (error: AppError): Problem['headers'] => {
  const seconds = retryAfterOf(error)
  return seconds === undefined ? {} : { 'retry-after': String(seconds) }
}

/** The request failed for good. Its idempotency key stays with it, so a new attempt needs another key. */
export const isFinalForKey = (error: AppError, { headers }: Pick<FastifyRequest, 'headers'>) =>
  error.final && headers['idempotency-key'] !== undefined

/**
 * Returns undefined for a defect, whose details clients must not see. The message is in the language that the request asks
 * for. `names`: the family's names of the options.
 */
export function problemIn(error: unknown, request: FastifyRequest, names: OptionNames): Problem | undefined {
  const words = wordsFor(localeOf(request.headers['accept-language']))
  if (error instanceof InvalidRequest) {
    const fields = error.issues.map(({ name = 'body', message }) => ({ name, message }))
    return { status: 400, kind: 'bad_request', message: error.message, fields, headers: {} }
  }
  if (error instanceof AppError) {
    if (error.kind === 'internal') return undefined
    const { kind } = error
    const isFinal = isFinalForKey(error, request)
    const sentence = words.errors[kind](spelled(error, names))
    const message = isFinal ? words.keptEnd(sentence) : sentence
    const field = fieldOf(error, names)
    const fields = field === undefined ? [] : [{ name: field, message }]
    const headers = isFinal ? { 'x-should-retry': 'false' } : retryHeaders(error)
    return { status: statusOf[kind], kind, message, fields, headers }
  }
  const { statusCode = 500, code, message = 'The request is not valid.' } = error as Partial<FastifyError>
  if (!(statusCode >= 400 && statusCode < 500)) return undefined
  return {
    status: statusCode,
    kind: 'bad_request',
    message: frameworkMessages[code ?? ''] ?? message,
    fields: [],
    headers: {},
  }
}
