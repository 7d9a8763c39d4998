/** Refusals of the page's routes, in the language of the page. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Language, localeOf, type PageWords, wordsFor } from '../../locales/index.ts'
import type { SignInRefusal } from './access.ts'
import type { UploadError } from './upload.ts'

/** Why a request is not let in, or not now. */
export type Trouble = Extract<keyof PageWords, 'starting' | 'sign_in' | 'foreign' | `too_many_${string}`>

export function refuse(
  request: FastifyRequest,
  reply: FastifyReply,
  kind: Trouble | UploadError | SignInRefusal,
  status = kind === 'sign_in' ? 401 : 403,
): FastifyReply {
  return reply.code(status).send({ error: { kind, message: pageWords(request)[kind] } })
}

/** The page says its language in the same header as the browser. */
export const localeFrom = (request: FastifyRequest): Language => localeOf(request.headers['accept-language'])

export const pageWords = (request: FastifyRequest): PageWords => wordsFor(localeFrom(request)).page
