/** What COS answers when it refuses: its status, its code, its XML. */
import { randomUUID } from 'node:crypto'
import type { Answer } from '../faults.ts'

export class CosRefusal extends Error {
  readonly status: number
  readonly code: string
  /** More elements, as XML. */
  readonly more: string

  constructor(status: number, code: string, message: string, more = '') {
    super(message)
    this.name = 'CosRefusal'
    this.status = status
    this.code = code
    this.more = more
  }
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

export function unescapeXml(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&')
}

/** The real ones are base64 of such a text too. */
export function newRequestId(): string {
  return Buffer.from(randomUUID().replaceAll('-', '_').slice(0, 29)).toString('base64')
}

export function refusalAnswer(refusal: CosRefusal, { resource = '', requestId = newRequestId() } = {}): Answer {
  const { status, code, message, more } = refusal
  const about = `<Resource>${escapeXml(resource)}</Resource><RequestId>${requestId}</RequestId><TraceId>${requestId}</TraceId>`
  return {
    status,
    headers: { 'content-type': 'application/xml', server: 'tencent-cos', 'x-cos-request-id': requestId },
    body: `<?xml version='1.0' encoding='utf-8' ?>\n<Error><Code>${code}</Code><Message>${escapeXml(message)}</Message>${more}${about}</Error>`,
  }
}

export const faultAnswers: Record<'429' | '500' | '503' | 'gone', () => Answer> = {
  '429': () => refusalAnswer(new CosRefusal(503, 'SlowDown', 'Please reduce your request rate.')),
  '500': () => refusalAnswer(new CosRefusal(500, 'InternalError', 'We encountered an internal error.')),
  '503': () => refusalAnswer(new CosRefusal(503, 'ServiceUnavailable', 'Please try again.')),
  gone: () => refusalAnswer(noSuchKey()),
}

export function noSuchKey(): CosRefusal {
  return new CosRefusal(404, 'NoSuchKey', 'The specified key does not exist.')
}

export function accessDenied(): CosRefusal {
  return new CosRefusal(403, 'AccessDenied', 'Access Denied.')
}
