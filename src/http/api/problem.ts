/** What went wrong, for families that have no words of their own for it. */
import type { FastifyError, FastifyRequest } from 'fastify'
import { AppError, errorRules } from '../../core/errors.ts'
import { localeOf, wordsFor } from '../../locales/index.ts'
import { InvalidRequest } from './validation.ts'

export interface Problem {
  status: number
  /** A kind of core/errors.ts, or 'bad_request'. */
  kind: string
  message: string
  /** What is wrong with which part of the request, where that is known. */
  fields: readonly { name: string; message: string }[]
  headers: Readonly<Record<string, string>>
}

/** Kinds whose `name` is a part of the request. */
const naming: ReadonlySet<string> = new Set(['bad_option', 'not_taken', 'unknown_option'])

/** What the framework says in fewer words. */
export const sayings: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'Send JSON, with the header content-type: application/json.',
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body of the request is not valid JSON.',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'The body of the request is not valid JSON.',
}

/** Seconds after which another try may do better. */
const retryAfter: Readonly<Record<string, number>> = {
  too_fast: 3,
  too_many_in_flight: 5,
  idempotency_in_flight: 2,
  overloaded: 2,
  provider_busy: 5,
}

/** undefined: a defect of ours, of which nothing is told. In the language that the request asks for. */
export function problemIn(error: unknown, request: FastifyRequest): Problem | undefined {
  const words = wordsFor(localeOf(request.headers['accept-language'])).errors
  if (error instanceof InvalidRequest) {
    const fields = error.issues.map(({ name = 'body', message }) => ({ name, message }))
    return { status: 400, kind: 'bad_request', message: error.message, fields, headers: {} }
  }
  if (error instanceof AppError) {
    if (error.kind === 'internal') return undefined
    const { kind, data, retryAfterMs } = error
    const message = words[kind](data)
    const fields = naming.has(kind) ? [{ name: String(data.name), message }] : []
    const own = kind === 'too_fast' ? Number(data.seconds) || retryAfter[kind] : retryAfter[kind]
    const seconds = retryAfterMs === undefined ? own : Math.ceil(retryAfterMs / 1000)
    const headers = seconds === undefined ? undefined : { 'retry-after': String(seconds) }
    return { status: errorRules[kind].status, kind, message, fields, headers: headers ?? {} }
  }
  const { statusCode = 500, code, message = 'The request is not valid.' } = error as Partial<FastifyError>
  if (!(statusCode >= 400 && statusCode < 500)) return undefined
  return { status: statusCode, kind: 'bad_request', message: sayings[code ?? ''] ?? message, fields: [], headers: {} }
}
