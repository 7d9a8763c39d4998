/** Errors as this family says them: `{ success: false, error: { code, message, details? }, detail }`. */
import type { FastifyRequest } from 'fastify'
import { wordsFor } from '../../../locales/index.ts'
import type { Answer } from '../family.ts'
import { problemIn } from '../problem.ts'
import { names } from './names.ts'
import type { Refusal } from './response-schemas.ts'

interface FluxAnswer extends Answer {
  body: Refusal
}

/** The response for a thrown error. undefined: a defect, which is logged and not described to the client. */
export function answerTo(error: unknown, request: FastifyRequest): FluxAnswer | undefined {
  const problem = problemIn(error, request, names)
  if (!problem) return undefined
  const { status, kind, message, headers, fields } = problem
  const details = fields.map(({ name, message }) => ({ field: name, message }))
  return { status, headers, body: refusalOf(kind, message, details) }
}

function refusalOf(code: string, message: string, details: { field: string; message: string }[] = []): Refusal {
  const more = details.length > 0 ? { details } : {}
  return { success: false, error: { code, message, ...more }, detail: message }
}

const defect: FluxAnswer = { status: 500, headers: {}, body: refusalOf('internal', wordsFor('en').errors.internal()) }

export const refusals = { answerTo, defect }
