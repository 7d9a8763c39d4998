/** Errors as OpenAI says them: type, code and param, and whether its clients should try again by themselves. */
import type { FastifyError, FastifyRequest } from 'fastify'
import {
  AppError,
  type ErrorData,
  type ErrorKind,
  errorRules,
  type OptionNames,
  spelled,
} from '../../../core/errors.ts'
import { wordsFor } from '../../../locales/index.ts'
import { InvalidRequest } from '../../server/validation.ts'
import type { Answer } from '../family.ts'
import { fieldOf, isKept, retryAfterOf, sayings } from '../problem.ts'

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null }
}

interface Problem {
  status?: number
  type?: string
  code?: string
  param?: string
  headers?: Readonly<Record<string, string>>
}

/** A refusal that only this family knows. */
export class OpenAiError extends Error {
  readonly problem: Problem

  constructor(message: string, problem: Problem = {}) {
    super(message)
    this.name = 'OpenAiError'
    this.problem = problem
  }
}

interface OpenAiAnswer extends Answer {
  body: ErrorBody
}

interface Rule extends Problem {
  message?: (data: ErrorData) => string
}

/** Options of the core → fields of this family. */
const names: OptionNames = { aspect: 'size', count: 'n', negative: 'negative_prompt' }

const quota: Rule = { status: 429, type: 'insufficient_quota', code: 'insufficient_quota' }
const pace: Rule = { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' }
const wrongKey: Rule = { status: 401, type: 'authentication_error', code: 'invalid_api_key' }
const noModel: Rule = { status: 404, code: 'model_not_found' }
const withoutModel = (name: ErrorData[string]) => `The model '${name}' does not exist or you do not have access to it.`
/** 400, as OpenAI's clients know it; 413 is for the whole body. */
const picture: Rule = { status: 400, param: 'image', code: 'invalid_image' }

/** What differs from what the status says by itself. */
const rules: Readonly<Partial<Record<ErrorKind, Rule>>> = {
  key_missing: wrongKey,
  key_wrong: wrongKey,
  too_many_wrong_keys: pace,
  banned: { type: 'permission_error', code: 'account_deactivated' },
  model_not_allowed: { ...noModel, message: ({ model }) => withoutModel(model) },
  unknown_model: { ...noModel, message: ({ name }) => withoutModel(name) },
  empty_prompt: {
    code: 'missing_required_parameter',
    message: () => "Missing required parameter: 'prompt'. Say what to draw.",
  },
  prompt_too_long: { code: 'string_above_max_length' },
  words_not_taken: { code: 'unsupported_parameter' },
  unknown_ratio: {
    code: 'invalid_value',
    message: ({ ratio, model, available }) =>
      `Invalid value for 'size': '${ratio}'. ${model} knows: auto, ${[available].flat().join(', ')}.`,
  },
  bad_option: {
    code: 'invalid_value',
    message: ({ name, value, expected }) => `Invalid value for '${name}': ${shown(value)}. Expected ${expected}.`,
  },
  unknown_option: { code: 'unknown_parameter' },
  not_taken: {
    code: 'unsupported_parameter',
    message: ({ name, model }) => `Unsupported parameter: '${name}' is not supported with ${model}.`,
  },
  enhancer_missing: { param: 'enhance', code: 'unsupported_parameter' },
  image_needed: { param: 'image', code: 'missing_required_parameter' },
  too_many_images: { param: 'image', code: 'too_many_images' },
  image_too_big: picture,
  image_type: picture,
  image_unreadable: picture,
  image_unreachable: {
    ...picture,
    message: () => 'The image could not be fetched: use a public https address, or a data URL with base64.',
  },
  unknown_request: { code: 'job_not_found' },
  unknown_path: { code: 'unknown_url', message: ({ name }) => `Unknown request URL: ${name}.` },
  wrong_method: { code: 'method_not_supported' },
  bad_idempotency_key: { code: 'invalid_value' },
  idempotency_erased: { code: 'idempotency_key_erased' },
  idempotency_reused: { code: 'idempotency_key_reused' },
  idempotency_in_flight: { code: 'idempotency_key_in_use' },
  input_lost: { param: 'image' },
  unknown_upload: { param: 'image' },
  no_credits: quota,
  cap_reached: quota,
  too_fast: pace,
  too_many_in_flight: pace,
  moderated: { type: 'image_generation_user_error', code: 'content_policy_violation' },
}

const typeOf = (status: number) => {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

/**
 * The answer to whatever was thrown; undefined: a defect, to be logged, of which nothing is told. `request`: the one that
 * failed, where it is that which is answered.
 */
export function answerTo(error: unknown, request?: FastifyRequest): OpenAiAnswer | undefined {
  if (error instanceof OpenAiError) return answer(error.message, { status: 400, ...error.problem })
  if (error instanceof InvalidRequest) return answerToInvalid(error)
  if (error instanceof AppError) return error.kind === 'internal' ? undefined : answerToKind(error, request)
  const { statusCode = 500, code, message } = error as Partial<FastifyError>
  if (!(statusCode >= 400 && statusCode < 500)) return undefined
  const text = sayings[code ?? ''] ?? message ?? 'The request is not valid.'
  return answer(text, { status: statusCode })
}

const internalAnswer = (): OpenAiAnswer => answer(wordsFor('en').errors.internal(), { status: 500 })

/** What streams say when they break off, as everything else here does. */
export const refusals = { answerTo, defect: internalAnswer() }

function answerToKind(error: AppError, request?: FastifyRequest): OpenAiAnswer {
  const { kind } = error
  const { message, ...rule }: Rule = rules[kind] ?? {}
  const words = wordsFor('en')
  const text = (message ?? words.errors[kind])(spelled(error, names))
  const about = { status: errorRules[kind].status, code: kind, param: fieldOf(error, names), ...rule }
  if (request && isKept(error, request)) {
    return answer(words.keptEnd(text), { ...about, headers: { 'x-should-retry': 'false' } })
  }
  const seconds = retryAfterOf(error)
  // nothing was accepted, or it is over and paid back: another try is another request
  const headers = seconds === undefined ? undefined : { 'retry-after': String(seconds), 'x-should-retry': 'true' }
  return answer(text, { ...about, headers })
}

/** OpenAI says one thing at a time. */
function answerToInvalid({ issues: [issue] }: InvalidRequest): OpenAiAnswer {
  const { name: param, message = 'it does not fit', problem } = issue ?? {}
  if (problem === 'missing' && param !== undefined) {
    const code = 'missing_required_parameter'
    return answer(`Missing required parameter: '${param}'.`, { status: 400, param, code })
  }
  const where = param === undefined ? 'the body' : `'${param}'`
  const code = problem === 'type' ? 'invalid_type' : 'invalid_value'
  return answer(`Invalid value for ${where}: ${message}.`, { status: 400, param, code })
}

function answer(message: string, { status = 500, type, code, param, headers }: Problem): OpenAiAnswer {
  return {
    status,
    // nothing that may have cost something is tried again unasked
    headers: {
      ...(status === 409 || status === 429 || status >= 500 ? { 'x-should-retry': 'false' } : {}),
      ...headers,
    },
    body: { error: { message, type: type ?? typeOf(status), param: param ?? null, code: code ?? null } },
  }
}

function shown(value: ErrorData[string]): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}
