/** Errors as this family says them: `{ success: false, error, code, details? }`. */
import type { FastifyRequest } from 'fastify'
import { AppError } from '../../../core/errors.ts'
import { wordsFor } from '../../../locales/index.ts'
import type { Answer } from '../family.ts'
import { problemIn } from '../problem.ts'
import { InvalidRequest } from '../validation.ts'
import type { Refusal } from './schemas.ts'

interface WebuiAnswer extends Answer {
  body: Refusal
}

/** Flags of the chats → the names that requests have here. */
const names: Readonly<Record<string, string>> = {
  ar: 'aspect_ratio',
  no: 'negative_prompt',
  url: 'base_url',
  timeout: 'timeout_seconds',
  concurrency: 'max_concurrent',
}

/** The answer to whatever was thrown; undefined: a defect, to be logged, of which nothing is told. */
export function answerTo(error: unknown, request: FastifyRequest): WebuiAnswer | undefined {
  const problem = problemIn(error, request)
  if (!problem) return undefined
  const { status, kind, headers } = problem
  const message = problem.message.replace(/--([a-z]+)/g, (_flag, name: string) => names[name] ?? name)
  const details = detailsOf(error, message)
  const body = { success: false as const, error: message, code: kind, ...(details.length > 0 ? { details } : {}) }
  return { status, headers, body }
}

function detailsOf(error: unknown, message: string): { field: string; message: string }[] {
  if (error instanceof InvalidRequest) {
    return error.issues.map(({ name = 'body', message }) => ({ field: name, message }))
  }
  if (!(error instanceof AppError)) return []
  const field = fieldOf(error)
  return field === undefined ? [] : [{ field, message }]
}

function fieldOf({ kind, data }: AppError): string | undefined {
  if (kind === 'bad_option' || kind === 'not_taken') return names[String(data.name)] ?? String(data.name)
  if (kind === 'unknown_model' || kind === 'model_not_allowed') return 'model'
  if (kind === 'unknown_ratio') return 'aspect_ratio'
  if (kind === 'unknown_provider') return 'provider'
  return kind === 'empty_prompt' || kind === 'prompt_too_long' ? 'prompt' : undefined
}

const defect: WebuiAnswer = {
  status: 500,
  headers: {},
  body: { success: false, error: wordsFor('en').errors.internal(), code: 'internal' },
}

export const refusals = { answerTo, defect }
