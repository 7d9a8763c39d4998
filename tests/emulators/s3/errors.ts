/** S3's error responses: status, code and XML. */
import { randomBytes } from 'node:crypto'
import { escapeXml } from '../cos/errors.ts'
import type { Answer } from '../faults.ts'

export class S3Error extends Error {
  readonly status: number
  readonly code: string
  /** Further elements of the response. */
  readonly more: Readonly<Record<string, string>>

  constructor(status: number, code: string, message: string, more: Readonly<Record<string, string>> = {}) {
    super(message)
    this.name = 'S3Error'
    this.status = status
    this.code = code
    this.more = more
  }
}

export function newRequestId(): string {
  return randomBytes(8).toString('hex').toUpperCase()
}

export function errorResponse(error: S3Error, { resource = '', requestId = newRequestId() } = {}): Answer {
  const elements = { Code: error.code, Message: error.message, ...error.more, Resource: resource, RequestId: requestId }
  const xml = Object.entries(elements).map(([name, value]) => `<${name}>${escapeXml(value)}</${name}>`)
  const region: Record<string, string> = error.more.Region ? { 'x-amz-bucket-region': error.more.Region } : {}
  return {
    status: error.status,
    headers: { 'content-type': 'application/xml', 'x-amz-request-id': requestId, ...region },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${xml.join('')}</Error>`,
  }
}

export const faultAnswers: Record<'429' | '500' | '503' | 'gone', () => Answer> = {
  '429': () => errorResponse(new S3Error(503, 'SlowDown', 'Please reduce your request rate.')),
  '500': () => errorResponse(new S3Error(500, 'InternalError', 'We encountered an internal error. Please try again.')),
  '503': () => errorResponse(new S3Error(503, 'ServiceUnavailable', 'Please reduce your request rate.')),
  gone: () => errorResponse(noSuchKey()),
}

export function noSuchKey(): S3Error {
  return new S3Error(404, 'NoSuchKey', 'The specified key does not exist.')
}

export function accessDenied(message = 'Access Denied', more: Readonly<Record<string, string>> = {}): S3Error {
  return new S3Error(403, 'AccessDenied', message, more)
}
