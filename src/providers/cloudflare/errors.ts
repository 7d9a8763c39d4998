/**
 * Cloudflare's errors. Codes are more precise than statuses; where a code has several meanings, the message decides.
 */
import { z } from 'zod'
import { AppError, type ErrorKind } from '../../core/errors.ts'
import type { Json } from '../../db/json.ts'
import { type ProviderResponse, retryAfterMs, statusError } from '../http.ts'

export interface Envelope {
  json: Json
  /** Whether it reports a failure, which also happens with status 200. */
  failed: boolean
  codes: readonly number[]
  message: string
}

const faults = z.array(z.object({ code: z.coerce.number().catch(0), message: z.string().catch('') }))
/** Gateways use `error`, the rest of the API `errors`. */
const envelopeShape = z.object({
  success: z.boolean().optional().catch(undefined),
  errors: faults.optional().catch(undefined),
  error: faults.optional().catch(undefined),
})

/** undefined: the body is no JSON object. */
export function parseEnvelope(body: Buffer): Envelope | undefined {
  if (!/^\s*\{/.test(body.toString('latin1', 0, 64))) return undefined
  try {
    const json = JSON.parse(body.toString('utf8')) as Json
    const { success, errors, error } = envelopeShape.parse(json)
    const all = [...(errors ?? []), ...(error ?? [])]
    const message = all.map((each) => each.message).join(' · ')
    return { json, failed: success === false || all.length > 0, codes: all.map((each) => each.code), message }
  } catch {
    return undefined
  }
}

interface Meaning {
  kind: ErrorKind
  /** The model may have run, and the run may be charged. Absent: it did not run. */
  mayHaveRun?: boolean
}

const account: Meaning = { kind: 'provider_account' }
const timeout: Meaning = { kind: 'provider_timeout', mayHaveRun: true }
const refused: Meaning = { kind: 'provider_refused' }
const quota: Meaning = { kind: 'provider_quota' }

const meanings: Readonly<Record<number, Meaning>> = {
  2001: account,
  2009: account,
  2016: { kind: 'moderated' },
  2017: { kind: 'moderated', mayHaveRun: true },
  3003: refused,
  3006: refused,
  3007: timeout,
  3008: timeout,
  3023: account,
  3036: quota,
  3039: refused,
  3040: { kind: 'provider_busy' },
  3041: account,
  3042: refused,
  4006: quota,
  5004: refused,
  5005: refused,
  5006: refused,
  5007: refused,
  5016: account,
  5018: account,
  5019: refused,
  7003: account,
  9109: account,
  10000: account,
}

/** Codes of any error inside a model: only the message tells refused content from a bad request. */
const modelErrorCodes: ReadonlySet<number> = new Set([3030, 8007])

/** Statuses of a timeout, after which the model may have run. */
const timeoutStatuses: ReadonlySet<number> = new Set([408, 504, 522, 524])

function meaningOf({ codes, message }: Envelope): Meaning | undefined {
  if (/output has been flagged/i.test(message)) return { kind: 'moderated', mayHaveRun: true }
  if (/\bNSFW\b|\bflagged\b/i.test(message)) return { kind: 'moderated' }
  if (/daily free allocation/i.test(message)) return quota
  if (codes.some((code) => modelErrorCodes.has(code)) && cleanMessage(message) === '') return { kind: 'moderated' }
  return codes.map((code) => meanings[code]).find((meaning) => meaning !== undefined)
}

interface Parsed {
  /** The envelope of the response. undefined: it has none. */
  envelope: Envelope | undefined
  /** Removed from the error. */
  key: string
}

/** The error for a response that is not a success. */
export function responseError(response: ProviderResponse, { envelope, key }: Parsed): AppError {
  const provider = 'cloudflare'
  const { status } = response
  const neverRan = status < 500 && !timeoutStatuses.has(status)
  // the error page of a proxy, or a truncated body: only its status is known
  if (!envelope?.failed) return statusError(provider, response, { neverRan })
  const reason = cleanMessage(envelope.message, key) || undefined
  const meaning = meaningOf(envelope)
  if (!meaning && status < 300) {
    const cause = new Error(`cloudflare answered with status ${status} and success: false`)
    return new AppError('provider_failed', { provider, reason }, { cause })
  }
  if (!meaning) return statusError(provider, response, { reason, neverRan })
  return new AppError(
    meaning.kind,
    { provider, reason },
    {
      cause: new Error(`cloudflare answered with status ${status} and the codes ${envelope.codes.join(', ')}`),
      neverRan: !meaning.mayHaveRun,
      retryAfterMs: retryAfterMs(response.headers['retry-after']),
    },
  )
}

/** Without request ids, error prefixes, queries (which may hold signatures) and the key. */
function cleanMessage(message: string, key = ''): string {
  return (key === '' ? message : message.replaceAll(key, '…'))
    .slice(0, 5_000)
    .replace(/\(?\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b\)?/gi, '')
    .replace(/\b(AiError|Error):\s*/g, '')
    .replace(/(https?:\/\/[^\s?]+)\?\S*/g, '$1')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300)
}
