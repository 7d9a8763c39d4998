/** Errors in the format of this family: `{ success: false, error: { code, message, details? }, detail }`. */
import type { FastifyRequest } from 'fastify'
import { wordsFor } from '../../../locales/index.ts'
import type { Answer } from '../family.ts'
import { problemIn } from '../problem.ts'
import { names } from './names.ts'
import type { ErrorBody } from './response-schemas.ts'

interface ErrorAnswer extends Answer {
  body: ErrorBody
}

/** The response to a thrown error. undefined: a defect, whose details must not leave the service. */
export function answerTo(error: unknown, request: FastifyRequest): ErrorAnswer | undefined {
  const problem = problemIn(error, request, names)
  if (!problem) return undefined
  const { status, kind, message, headers, fields } = problem
  const details = fields.map(({ name, message }) => ({ field: name, message }))
  return { status, headers, body: errorBodyOf(kind, message, details) }
}

function errorBodyOf(code: string, message: string, details: { field: string; message: string }[] = []): ErrorBody {
  const error = { code, message, ...(details.length > 0 && { details }) }
  return { success: false, error, detail: message }
}

const defect: ErrorAnswer = {
  status: 500,
  headers: {},
  body: errorBodyOf('internal', wordsFor('en').errors.internal()),
}

export const errorFormat = { answerTo, defect }
