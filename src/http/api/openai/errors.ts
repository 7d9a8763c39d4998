/**
 * Errors in OpenAI's format: type, code and param. The header `x-should-retry` controls whether OpenAI's clients retry by
 * themselves.
 */
import type { FastifyError, FastifyRequest } from 'fastify'
import { AppError, type ErrorData, type ErrorKind, type OptionNames, spelled } from '../../../core/errors.ts'
import { wordsFor } from '../../../locales/index.ts'
import { statusOf } from '../../server/error-status.ts'
import { InvalidRequest } from '../../server/validation.ts'
import type { Answer } from '../family.ts'
import { fieldOf, frameworkMessages, isFinalForKey, retryAfterOf } from '../problem.ts'

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null }
}

interface ErrorFields {
  status?: number
  type?: string
  code?: string
  param?: string
  headers?: Readonly<Record<string, string>>
}

/** An error without a kind in core/errors.ts. The default status is 400. */
export class OpenAiError extends Error {
  readonly fields: ErrorFields

  constructor(message: string, fields: ErrorFields = {}) {
    super(message)
    this.name = 'OpenAiError'
    this.fields = fields
  }
}

interface ErrorAnswer extends Answer {
  body: ErrorBody
}

interface Rule extends ErrorFields {
  /** Absent: the message in `locales`. */
  message?: (data: ErrorData) => string
}

/** Options of the core → fields of this family. */
const names: OptionNames = { aspect: 'size', count: 'n', negative: 'negative_prompt' }

const quota: Rule = { status: 429, type: 'insufficient_quota', code: 'insufficient_quota' }
const rateLimit: Rule = { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' }
const wrongKey: Rule = { status: 401, type: 'authentication_error', code: 'invalid_api_key' }
const missingModel: Rule = { status: 404, code: 'model_not_found' }
const modelNotFound = (name: ErrorData[string]) => `The model '${name}' does not exist or you do not have access to it.`
/** 400 as OpenAI responds, also for images that are too large: 413 means the whole body. */
const invalidImage: Rule = { status: 400, param: 'image', code: 'invalid_image' }

/** Overrides the fields that follow from the status and the kind of the error. */
const rules: Readonly<Partial<Record<ErrorKind, Rule>>> = {
  key_missing: wrongKey,
  key_wrong: wrongKey,
  too_many_wrong_keys: rateLimit,
  banned: { type: 'permission_error', code: 'account_deactivated' },
  model_not_allowed: { ...missingModel, message: ({ model }) => modelNotFound(model) },
  unknown_model: { ...missingModel, message: ({ name }) => modelNotFound(name) },
  model_off: missingModel,
  empty_prompt: {
    code: 'missing_required_parameter',
    message: () => "Missing required parameter: 'prompt'. Describe the image to create.",
  },
  prompt_too_long: { code: 'string_above_max_length' },
  words_not_taken: { code: 'unsupported_parameter' },
  unknown_ratio: {
    code: 'invalid_value',
    message: ({ ratio, model, available }) =>
      `Invalid value for 'size': '${ratio}'. ${model} supports: auto, ${[available].flat().join(', ')}.`,
  },
  bad_option: {
    code: 'invalid_value',
    message: ({ name, value, expected }) => `Invalid value for '${name}': ${quoted(value)}. Expected ${expected}.`,
  },
  unknown_option: { code: 'unknown_parameter' },
  not_taken: {
    code: 'unsupported_parameter',
    message: ({ name, model, available }) =>
      `Unsupported parameter: '${name}' is not supported with ${model}.${
        available === undefined ? '' : ` Models that support it: ${[available].flat().join(', ') || 'none'}.`
      }`,
  },
  area_not_taken: { code: 'unsupported_parameter' },
  area_needed: { code: 'missing_required_parameter' },
  shape_kept: { code: 'unsupported_parameter' },
  mask_size: { param: 'mask', code: 'invalid_image' },
  mask_empty: { param: 'mask', code: 'invalid_image' },
  lora_address: { code: 'invalid_value' },
  unknown_lora: { code: 'invalid_value' },
  too_many_loras: { code: 'invalid_value' },
  enhancer_missing: { param: 'enhance', code: 'unsupported_parameter' },
  image_needed: { param: 'image', code: 'missing_required_parameter' },
  too_many_images: { param: 'image', code: 'too_many_images' },
  image_too_big: invalidImage,
  image_type: invalidImage,
  image_unreadable: invalidImage,
  image_unreachable: {
    ...invalidImage,
    message: () => 'The image could not be fetched. Use a public https URL or a base64 data URL.',
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
  too_fast: rateLimit,
  too_many_in_flight: rateLimit,
  moderated: { type: 'image_generation_user_error', code: 'content_policy_violation' },
}

const typeOf = (status: number) => {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

/**
 * The response to a thrown error. undefined: a defect, whose details must not leave the service. `request`: the request that
 * failed; absent for an error that is shown later, as part of a job.
 */
export function answerTo(error: unknown, request?: FastifyRequest): ErrorAnswer | undefined {
  if (error instanceof OpenAiError) return errorAnswer(error.message, { status: 400, ...error.fields })
  if (error instanceof InvalidRequest) return answerToInvalidRequest(error)
  if (error instanceof AppError) return error.kind === 'internal' ? undefined : answerToAppError(error, request)
  const { statusCode = 500, code, message } = error as Partial<FastifyError>
  if (!(statusCode >= 400 && statusCode < 500)) return undefined
  const text = frameworkMessages[code ?? ''] ?? message ?? 'The request is not valid.'
  return errorAnswer(text, { status: statusCode })
}

export const errorFormat = { answerTo, defect: errorAnswer(wordsFor('en').errors.internal(), { status: 500 }) }

function answerToAppError(error: AppError, request?: FastifyRequest): ErrorAnswer {
  const { kind } = error
  const { message, ...rule }: Rule = rules[kind] ?? {}
  const words = wordsFor('en')
  const text = (message ?? words.errors[kind])(spelled(error, names))
  const fields = { status: statusOf[kind], code: kind, param: fieldOf(error, names), ...rule }
  if (request && isFinalForKey(error, request)) {
    return errorAnswer(words.keptEnd(text), { ...fields, headers: { 'x-should-retry': 'false' } })
  }
  const seconds = retryAfterOf(error)
  // safe to retry: nothing was accepted, or the request has ended and its credits are back
  const headers = seconds === undefined ? undefined : { 'retry-after': String(seconds), 'x-should-retry': 'true' }
  return errorAnswer(text, { ...fields, headers })
}

/** OpenAI's format has room for one issue: the first. */
function answerToInvalidRequest({ issues: [issue] }: InvalidRequest): ErrorAnswer {
  const { name: param, message = 'it is not valid', problem } = issue ?? {}
  if (problem === 'missing' && param !== undefined) {
    const code = 'missing_required_parameter'
    return errorAnswer(`Missing required parameter: '${param}'.`, { status: 400, param, code })
  }
  const where = param === undefined ? 'the body' : `'${param}'`
  const code = problem === 'type' ? 'invalid_type' : 'invalid_value'
  return errorAnswer(`Invalid value for ${where}: ${message}.`, { status: 400, param, code })
}

function errorAnswer(message: string, { status = 500, type, code, param, headers }: ErrorFields): ErrorAnswer {
  return {
    status,
    // OpenAI's clients would retry these statuses by themselves, and a retry may cost credits
    headers: {
      ...(status === 409 || status === 429 || status >= 500 ? { 'x-should-retry': 'false' } : {}),
      ...headers,
    },
    body: { error: { message, type: type ?? typeOf(status), param: param ?? null, code: code ?? null } },
  }
}

function quoted(value: ErrorData[string]): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}
