/** Reads the parameters of a call from a query, JSON, form or multipart body, and converts them by name. */
import type { IncomingMessage } from 'node:http'
import { Busboy } from '@fastify/busboy'
import { badRequest, tooLarge } from './errors.ts'
import type { FilePart, Json } from './types.ts'

/** Files of 50 MB, and the other parameters. */
const MAX_BODY_BYTES = 51 * 1024 * 1024

/** Parameters that contain JSON in a form or query. */
const JSON_PARAMETERS = new Set([
  'allowed_updates',
  'button',
  'caption_entities',
  'commands',
  'draft',
  'entities',
  'link_preview_options',
  'media',
  'menu_button',
  'message_ids',
  'prices',
  'reaction',
  'reply_markup',
  'reply_parameters',
  'results',
  'rich_message',
  'scope',
])

const INTEGER_PARAMETERS = new Set([
  'chat_id',
  'draft_id',
  'limit',
  'max_connections',
  'message_id',
  'message_thread_id',
  'offset',
  'timeout',
  'user_id',
])

const BOOLEAN_PARAMETERS = new Set([
  'disable_notification',
  'drop_pending_updates',
  'has_spoiler',
  'ok',
  'protect_content',
  'show_alert',
  'show_caption_above_media',
])

export async function readBody(
  req: IncomingMessage,
  query: URLSearchParams,
  maxFileBytes: number,
): Promise<{ params: Json; files: FilePart[] }> {
  const type = req.headers['content-type'] ?? ''
  const raw = await readAll(req)
  if (type.startsWith('application/json'))
    return { params: { ...Object.fromEntries(query), ...readJson(raw) }, files: [] }
  const { params, files } = type.startsWith('multipart/form-data')
    ? await readMultipart(raw, type)
    : { params: readForm(raw), files: [] }
  if (files.some(({ size }) => size > maxFileBytes)) throw tooLarge()
  return { params: parseParameters({ ...Object.fromEntries(query), ...params }), files }
}

async function readAll(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size <= MAX_BODY_BYTES) chunks.push(chunk)
  }
  if (size > MAX_BODY_BYTES) throw tooLarge()
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

function readJson(raw: Buffer): Json {
  if (raw.length === 0) return {}
  try {
    const body = JSON.parse(raw.toString('utf8')) as unknown
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Json
  } catch {}
  throw badRequest("can't parse JSON object")
}

function readForm(raw: Buffer): Json {
  return Object.fromEntries(new URLSearchParams(raw.toString('utf8')))
}

function readMultipart(raw: Buffer, type: string): Promise<{ params: Json; files: FilePart[] }> {
  const params: Json = {}
  const files: FilePart[] = []
  return new Promise((resolve, reject) => {
    const form = new Busboy({ headers: { 'content-type': type }, limits: { fieldSize: MAX_BODY_BYTES } })
    form.on('field', (name, value) => {
      params[name] = value
    })
    form.on('file', (field, stream, filename, _encoding, contentType) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const data = Buffer.concat(chunks)
        files.push({ field, filename: filename ?? '', contentType, data, size: data.length })
      })
    })
    form.on('finish', () => resolve({ params, files }))
    form.on('error', () => reject(badRequest('failed to parse the multipart body')))
    form.end(raw)
  })
}

function parseParameters(params: Json): Json {
  for (const [name, value] of Object.entries(params)) {
    if (typeof value !== 'string') continue
    if (INTEGER_PARAMETERS.has(name) && /^-?\d+$/.test(value)) params[name] = Number(value)
    if (BOOLEAN_PARAMETERS.has(name) && /^(true|false)$/i.test(value)) params[name] = value.toLowerCase() === 'true'
    if (JSON_PARAMETERS.has(name) && value !== '') params[name] = parseOrLeave(value)
  }
  return params
}

/** Leaves invalid JSON as text; the method rejects it when it reads an object. */
function parseOrLeave(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

export function textOf(params: Json, name: string): string {
  const value = params[name]
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''
}

export function integerOf(params: Json, name: string): number | undefined {
  const value = params[name]
  if (value === undefined || value === null || value === '') return undefined
  const number = Number(value)
  return Number.isInteger(number) ? number : undefined
}

export function isTrue(params: Json, name: string): boolean {
  return [true, 'true', 'True', '1', 1].includes(params[name] as string | number | boolean)
}

export function objectOf(params: Json, name: string): Json | undefined {
  const value = params[name]
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value === 'object' && !Array.isArray(value)) return value as Json
  throw badRequest(`can't parse ${name.replaceAll('_', ' ')} JSON object`)
}

export function listOf(params: Json, name: string): unknown[] | undefined {
  const value = params[name]
  if (value === undefined || value === null || value === '') return undefined
  if (Array.isArray(value)) return value
  throw badRequest(`can't parse ${name.replaceAll('_', ' ')} JSON array`)
}
