/** Errors in the format of this family: `{ success: false, error, code, details? }`. */
import type { FastifyRequest } from 'fastify'
import type { OptionNames } from '../../../core/errors.ts'
import { wordsFor } from '../../../locales/index.ts'
import type { Answer } from '../family.ts'
import { problemIn } from '../problem.ts'
import type { ErrorBody } from './schemas.ts'

interface ErrorAnswer extends Answer {
  body: ErrorBody
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

/** The response to a thrown error. undefined: a defect, whose details must not leave the service. */
export function answerTo(error: unknown, request: FastifyRequest): ErrorAnswer | undefined {
  const problem = problemIn(error, request, names)
  if (!problem) return undefined
  const { status, kind, message, headers, fields } = problem
  const details = fields.map(({ name, message }) => ({ field: name, message }))
  const body = { success: false as const, error: message, code: kind, ...(details.length > 0 ? { details } : {}) }
  return { status, headers, body }
}

const defect: ErrorAnswer = {
  status: 500,
  headers: {},
  body: { success: false, error: wordsFor('en').errors.internal(), code: 'internal' },
}

export const errorFormat = { answerTo, defect }
