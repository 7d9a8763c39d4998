/** What a refusal means. The codes say more than the status, and where codes mean too much, the words do. */
import { z } from 'zod'
import { AppError, type ErrorKind } from '../../core/errors.ts'
import type { Json } from '../../db/json.ts'
import { type ProviderResponse, retryAfterMs, statusError } from '../http.ts'

export interface Envelope {
  json: Json
  /** It says that it did not work, whatever its status says. */
  failed: boolean
  codes: readonly number[]
  message: string
}

const faults = z.array(z.object({ code: z.coerce.number().catch(0), message: z.string().catch('') }))
/** Gateways write `error`, everything else `errors`. */
const envelopeForm = z.object({
  success: z.boolean().optional().catch(undefined),
  errors: faults.optional().catch(undefined),
  error: faults.optional().catch(undefined),
})

/** undefined: not JSON, or not an object. */
export function readEnvelope(body: Buffer): Envelope | undefined {
  if (!/^\s*\{/.test(body.toString('latin1', 0, 64))) return undefined
  try {
    const json = JSON.parse(body.toString('utf8')) as Json
    const { success, errors, error } = envelopeForm.parse(json)
    const all = [...(errors ?? []), ...(error ?? [])]
    const message = all.map((each) => each.message).join(' · ')
    return { json, failed: success === false || all.length > 0, codes: all.map((each) => each.code), message }
  } catch {
    return undefined
  }
}

interface Meaning {
  kind: ErrorKind
  /** It may have been run and billed all the same. */
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

/** These stand for any trouble inside a model, so only their words tell a refusal of content from a bad request. */
const innerCodes: ReadonlySet<number> = new Set([3030, 8007])

/** Statuses after which it may have been run all the same. */
const outOfTime: ReadonlySet<number> = new Set([408, 504, 522, 524])

function meaningOf({ codes, message }: Envelope): Meaning | undefined {
  if (/output has been flagged/i.test(message)) return { kind: 'moderated', mayHaveRun: true }
  if (/\bNSFW\b|\bflagged\b/i.test(message)) return { kind: 'moderated' }
  if (/daily free allocation/i.test(message)) return quota
  if (codes.some((code) => innerCodes.has(code)) && cleanReason(message) === '') return { kind: 'moderated' }
  return codes.map((code) => meanings[code]).find((meaning) => meaning !== undefined)
}

interface Refused {
  envelope: Envelope | undefined
  key: string
}

export function refusal(answer: ProviderResponse, { envelope, key }: Refused): AppError {
  // some other server's page or half an answer: only a plain refusal tells that nothing was run
  if (!envelope?.failed) return plainRefusal(answer)
  const provider = 'cloudflare'
  const reason = cleanReason(envelope.message, key) || undefined
  const meaning = meaningOf(envelope)
  if (!meaning && answer.status < 300) return failed(reason)
  if (!meaning)
    return statusError(provider, answer, { reason, neverRan: answer.status < 500 && !outOfTime.has(answer.status) })
  return new AppError(
    meaning.kind,
    { provider, reason },
    {
      cause: new Error(`cloudflare answered ${answer.status} with ${envelope.codes.join(', ')}`),
      neverRan: !meaning.mayHaveRun,
      retryAfterMs: retryAfterMs(answer.headers['retry-after']),
    },
  )
}

function plainRefusal(answer: ProviderResponse): AppError {
  return statusError('cloudflare', answer, { neverRan: answer.status < 500 && !outOfTime.has(answer.status) })
}

function failed(reason: string | undefined): AppError {
  const cause = new Error('cloudflare answered 200 with success: false')
  return new AppError('provider_failed', { provider: 'cloudflare', reason }, { cause })
}

/** Its own words without what is of no use to anybody, and without anything secret. */
function cleanReason(message: string, key = ''): string {
  return (key === '' ? message : message.replaceAll(key, '…'))
    .slice(0, 5_000)
    .replace(/\(?\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b\)?/gi, '')
    .replace(/\b(AiError|Error):\s*/g, '')
    .replace(/(https?:\/\/[^\s?]+)\?\S*/g, '$1')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300)
}
