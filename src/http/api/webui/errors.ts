/** Errors as this family says them: `{ success: false, error, code, details? }`. */
import type { FastifyRequest } from 'fastify'
import type { OptionNames } from '../../../core/errors.ts'
import { wordsFor } from '../../../locales/index.ts'
import type { Answer } from '../family.ts'
import { problemIn } from '../problem.ts'
import type { Refusal } from './schemas.ts'

interface WebuiAnswer extends Answer {
  body: Refusal
}

/** Options of the core, and settings of a provider → fields of this family. */
const names: OptionNames = {
  aspect: 'aspect_ratio',
  count: 'n',
  negative: 'negative_prompt',
  url: 'base_url',
  timeout: 'timeout_seconds',
  concurrency: 'max_concurrent',
}

/** The response for a thrown error. undefined: a defect, which is logged and not described to the client. */
export function answerTo(error: unknown, request: FastifyRequest): WebuiAnswer | undefined {
  const problem = problemIn(error, request, names)
  if (!problem) return undefined
  const { status, kind, message, headers, fields } = problem
  const details = fields.map(({ name, message }) => ({ field: name, message }))
  const body = { success: false as const, error: message, code: kind, ...(details.length > 0 ? { details } : {}) }
  return { status, headers, body }
}

const defect: WebuiAnswer = {
  status: 500,
  headers: {},
  body: { success: false, error: wordsFor('en').errors.internal(), code: 'internal' },
}

export const refusals = { answerTo, defect }
