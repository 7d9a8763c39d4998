/** Pictures that people attach: fetched at once from Discord's own servers, never more than the limit. */

import type { APIAttachment } from 'discord.js'
import { type Dispatcher, request } from 'undici'
import { AppError } from '../../core/errors.ts'
import type { Attachment } from '../../core/ports.ts'

const hosts = ['https://cdn.discordapp.com', 'https://media.discordapp.net']
const timeoutMs = 20_000

/** `more`: other origins to trust, such as a stand-in for Discord. */
export function attachments(given: readonly APIAttachment[], more: readonly string[]): Attachment[] {
  const origins = new Set([...hosts, ...more])
  return given.map(({ filename, size, url }) => ({
    name: filename,
    bytes: size,
    load: async (limitBytes) => {
      if (size > limitBytes) throw tooBig(limitBytes)
      if (!origins.has(originOf(url))) throw unreachable('the address is not one of Discord')
      return load(url, limitBytes)
    },
  }))
}

async function load(url: string, limitBytes: number): Promise<Buffer> {
  try {
    // undici's `request` follows no redirects
    const { statusCode, headers, body } = await request(url, { signal: AbortSignal.timeout(timeoutMs) })
    body.on('error', () => undefined) // breaking off is an error to the stream, and nobody else's
    if (statusCode === 200 && Number(headers['content-length'] ?? 0) <= limitBytes) return await read(body, limitBytes)
    body.destroy()
    throw statusCode === 200 ? tooBig(limitBytes) : unreachable(`the download answered ${statusCode}`)
  } catch (error) {
    throw error instanceof AppError ? error : unreachable(error instanceof Error ? error.name : 'no answer')
  }
}

async function read(body: Dispatcher.ResponseData['body'], limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > limitBytes) throw tooBig(limitBytes) // leaving the loop closes the connection
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : ''
}

function tooBig(limitBytes: number): AppError {
  return new AppError('image_too_big', { limitMb: Math.floor(limitBytes / 1024 / 1024) })
}

/** `reason` holds no address: those are signed. */
function unreachable(reason: string): AppError {
  return new AppError('image_unreachable', {}, { cause: new Error(reason) })
}
