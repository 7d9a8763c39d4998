/** Errors in the format of this family: `{ error, details }`. `details` lists all invalid parameters. */
import type { FastifyRequest } from 'fastify'
import { AppError, type ErrorKind, type OptionNames } from '../../../core/errors.ts'
import { wordsFor } from '../../../locales/index.ts'
import { InvalidRequest } from '../../server/validation.ts'
import type { Answer } from '../family.ts'
import { problemIn } from '../problem.ts'
import type { ErrorBody } from './response-schemas.ts'

/** An error without a kind in core/errors.ts. */
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

interface ErrorAnswer extends Answer {
  body: ErrorBody
}

const invalidParameters = 'Invalid parameters'

/** Options of the core → fields of this family. */
const names: OptionNames = {
  aspect: 'width and height',
  size: 'width and height',
  count: 'num_images',
  negative: 'negative_prompt',
  guidance: 'guidance_scale',
}

/** Errors of the core that are about a parameter. They are reported like those of the schema. */
const parameterErrors: ReadonlySet<ErrorKind> = new Set([
  'area_needed',
  'area_not_taken',
  'bad_option',
  'empty_prompt',
  'image_needed',
  'lora_address',
  'mask_empty',
  'mask_size',
  'model_off',
  'not_taken',
  'prompt_too_long',
  'result_too_big',
  'result_too_small',
  'shape_kept',
  'too_many_images',
  'too_many_loras',
  'unknown_lora',
  'unknown_model',
  'unknown_ratio',
  'words_not_taken',
])

/** The response to a thrown error. undefined: a defect, whose details must not leave the service. */
export function answerTo(error: unknown, request: FastifyRequest): ErrorAnswer | undefined {
  if (error instanceof ComfyError) return answer(error.status, error.message, error.details)
  if (error instanceof InvalidRequest) return answer(400, invalidParameters, error.issues.map(detailOf))
  const problem = problemIn(error, request, names)
  if (!problem) return undefined
  const { status, message, headers } = problem
  const isParameter = error instanceof AppError && parameterErrors.has(error.kind)
  const detail = problem.kind === 'unknown_ratio' ? `${names.aspect}: ${message}` : message
  return { ...(isParameter ? answer(status, invalidParameters, [detail]) : answer(status, message)), headers }
}

function detailOf({ name, message, problem }: InvalidRequest['issues'][number]): string {
  if (name === undefined) return `the request ${message.startsWith('must') ? message : 'must be a JSON object'}`
  if (problem === 'missing') return `${name} is required`
  return /^(must|is) /.test(message) ? `${name} ${message}` : `${name}: ${message}`
}

function answer(status: number, error: string, details: readonly string[] = []): ErrorAnswer {
  return { status, headers: {}, body: { error, details: [...details] } }
}

export const errorFormat = { answerTo, defect: answer(500, wordsFor('en').errors.internal()) }
