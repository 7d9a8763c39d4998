/** COS's error responses: status, code and XML. */
import { randomUUID } from 'node:crypto'
import type { Answer } from '../faults.ts'

export class CosError extends Error {
  readonly status: number
  readonly code: string
  /** Further XML elements of the response. */
  readonly more: string

  constructor(status: number, code: string, message: string, more = '') {
    super(message)
    this.name = 'CosError'
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

/** Has the form of real request ids, which are base64 too. */
export function newRequestId(): string {
  return Buffer.from(randomUUID().replaceAll('-', '_').slice(0, 29)).toString('base64')
}

export function errorResponse(error: CosError, { resource = '', requestId = newRequestId() } = {}): Answer {
  const { status, code, message, more } = error
  const details = `<Resource>${escapeXml(resource)}</Resource><RequestId>${requestId}</RequestId><TraceId>${requestId}</TraceId>`
  return {
    status,
    headers: { 'content-type': 'application/xml', server: 'tencent-cos', 'x-cos-request-id': requestId },
    body: `<?xml version='1.0' encoding='utf-8' ?>\n<Error><Code>${code}</Code><Message>${escapeXml(message)}</Message>${more}${details}</Error>`,
  }
}

export const faultAnswers: Record<'429' | '500' | '503' | 'gone', () => Answer> = {
  '429': () => errorResponse(new CosError(503, 'SlowDown', 'Please reduce your request rate.')),
  '500': () => errorResponse(new CosError(500, 'InternalError', 'We encountered an internal error.')),
  '503': () => errorResponse(new CosError(503, 'ServiceUnavailable', 'Please try again.')),
  gone: () => errorResponse(noSuchKey()),
}

export function noSuchKey(): CosError {
  return new CosError(404, 'NoSuchKey', 'The specified key does not exist.')
}

export function accessDenied(): CosError {
  return new CosError(403, 'AccessDenied', 'Access Denied.')
}
