/** Errors as this family says them: `{ error, details }`; of wrong parameters everything at once. */
import type { FastifyRequest } from 'fastify'
import { AppError, type ErrorKind, type OptionNames } from '../../../core/errors.ts'
import { wordsFor } from '../../../locales/index.ts'
import { InvalidRequest } from '../../server/validation.ts'
import type { Answer } from '../family.ts'
import { problemIn } from '../problem.ts'
import type { Refusal } from './response-schemas.ts'

/** A refusal that only this family knows. */
export class ComfyError extends Error {
  readonly status: number
  readonly details: readonly string[]

  constructor(status: number, message: string, details: readonly string[] = []) {
    super(message)
    this.name = 'ComfyError'
    this.status = status
    this.details = details
  }
}

interface ComfyAnswer extends Answer {
  body: Refusal
}

const invalid = 'Invalid parameters'

/** Options of the core → fields of this family. */
const names: OptionNames = {
  aspect: 'width and height',
  size: 'width and height',
  count: 'num_images',
  negative: 'negative_prompt',
  guidance: 'guidance_scale',
}

/** What is found wrong with a parameter once the model is known. */
const aboutParameters: ReadonlySet<ErrorKind> = new Set([
  'bad_option',
  'empty_prompt',
  'image_needed',
  'not_taken',
  'prompt_too_long',
  'too_many_images',
  'unknown_model',
  'unknown_ratio',
  'words_not_taken',
])

/** The response for a thrown error. undefined: a defect, which is logged and not described to the client. */
export function answerTo(error: unknown, request: FastifyRequest): ComfyAnswer | undefined {
  if (error instanceof ComfyError) return answer(error.status, error.message, error.details)
  if (error instanceof InvalidRequest) return answer(400, invalid, error.issues.map(sentence))
  const problem = problemIn(error, request, names)
  if (!problem) return undefined
  const { status, message, headers } = problem
  const named = error instanceof AppError && aboutParameters.has(error.kind)
  const detail = problem.kind === 'unknown_ratio' ? `${names.aspect}: ${message}` : message
  return { ...(named ? answer(status, invalid, [detail]) : answer(status, message)), headers }
}

function sentence({ name, message, problem }: InvalidRequest['issues'][number]): string {
  if (name === undefined) return `the request ${message.startsWith('must') ? message : 'must be a JSON object'}`
  if (problem === 'missing') return `${name} is required`
  return /^(must|is) /.test(message) ? `${name} ${message}` : `${name}: ${message}`
}

function answer(status: number, error: string, details: readonly string[] = []): ComfyAnswer {
  return { status, headers: {}, body: { error, details: [...details] } }
}

export const refusals = { answerTo, defect: answer(500, wordsFor('en').errors.internal()) }
