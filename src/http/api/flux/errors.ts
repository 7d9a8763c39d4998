/** Errors as this family says them: `{ success: false, error: { code, message, details? }, detail }`. */
import type { FastifyRequest } from 'fastify'
import { AppError } from '../../../core/errors.ts'
import { wordsFor } from '../../../locales/index.ts'
import type { Answer } from '../family.ts'
import { problemIn } from '../problem.ts'
import type { Refusal } from './answer-schemas.ts'
import { nameOfFlag } from './names.ts'

interface FluxAnswer extends Answer {
  body: Refusal
}

/** The answer to whatever was thrown; undefined: a defect, to be logged, of which nothing is told. */
export function answerTo(error: unknown, request: FastifyRequest): FluxAnswer | undefined {
  const problem = problemIn(error, request)
  if (!problem) return undefined
  const { status, kind, headers, fields } = problem
  const message = problem.message.replace(/--([a-z]+)/g, (_flag, name: string) => nameOfFlag(name))
  const own = error instanceof AppError ? fieldOf(error) : undefined
  const details =
    own === undefined ? fields.map(({ name, message }) => ({ field: name, message })) : [{ field: own, message }]
  return { status, headers, body: refusalOf(kind, message, details) }
}

function fieldOf({ kind, data }: AppError): string | undefined {
  if (kind === 'bad_option' || kind === 'not_taken') return nameOfFlag(String(data.name))
  if (kind === 'unknown_model' || kind === 'model_not_allowed') return 'model'
  if (kind === 'unknown_ratio') return 'aspect_ratio'
  if (kind === 'empty_prompt' || kind === 'prompt_too_long' || kind === 'words_not_taken') return 'prompt'
  return typeof data.position === 'number' ? `files.${data.position}` : undefined
}

function refusalOf(code: string, message: string, details: { field: string; message: string }[] = []): Refusal {
  const more = details.length > 0 ? { details } : {}
  return { success: false, error: { code, message, ...more }, detail: message }
}

const defect: FluxAnswer = { status: 500, headers: {}, body: refusalOf('internal', wordsFor('en').errors.internal()) }

export const refusals = { answerTo, defect }
