/** Stores attachments and serves them as cdn.discordapp.com (`/cdn`) and media.discordapp.net (`/media`) do. */
import { createHmac, randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { snowflake } from './ids.ts'
import { contentTypeOf, imageSize, storedName } from './image.ts'
import type { Attachment, Json, Upload } from './types.ts'

const LINK_LIFE_SECONDS = 24 * 60 * 60

export interface Cdn {
  /**
   * Creates an attachment, which is served once it is published.
   * `folder`: `/attachments/<channel>` or `/ephemeral-attachments/<application>`.
   */
  make(file: Upload, folder: string, details?: { description?: string; spoiler?: boolean }): Attachment
  publish(attachment: Attachment): void
  /** Makes the signed link stop working, as it does after 24 hours. */
  expire(attachmentId: string): void
  serve(path: string, query: URLSearchParams, res: ServerResponse): number
}

export function createCdn(origin: () => string): Cdn {
  const secret = randomBytes(32)
  const served = new Map<string, Attachment>()
  const expired = new Set<string>()

  function sign(path: string, expires: string, issued: string) {
    return createHmac('sha256', secret).update(`${path}?${expires}&${issued}`).digest('hex')
  }

  /** Text of the 404 response. Absent: the link is valid. */
  function problemWith(path: string, query: URLSearchParams): string | undefined {
    const attachment = served.get(path)
    if (!attachment) return 'Not Found'
    const [ex, is, hm] = ['ex', 'is', 'hm'].map((name) => query.get(name) ?? '') as [string, string, string]
    const valid =
      hm === sign(path, ex, is) && Number.parseInt(ex, 16) * 1000 > Date.now() && !expired.has(attachment.id)
    return valid ? undefined : 'This content is no longer available.'
  }

  return {
    make({ filename, data }, folder, { description, spoiler = false } = {}) {
      const id = snowflake()
      const name = storedName(filename)
      const path = `${folder}/${id}/${name}`
      const now = Math.floor(Date.now() / 1000)
      const [ex, is] = [(now + LINK_LIFE_SECONDS).toString(16), now.toString(16)]
      const query = `?ex=${ex}&is=${is}&hm=${sign(path, ex, is)}&`
      const contentType = contentTypeOf(name)
      return {
        id,
        filename: name,
        size: data.length,
        url: `${origin()}/cdn${path}${query}`,
        proxyUrl: `${origin()}/media${path}${query}`,
        spoiler: spoiler || name.startsWith('SPOILER_'),
        data,
        ...(contentType ? { contentType } : {}),
        ...(description ? { description } : {}),
        ...(contentType?.startsWith('image/') ? imageSize(data) : {}),
      }
    },
    publish(attachment) {
      served.set(new URL(attachment.url).pathname.slice('/cdn'.length), attachment)
    },
    expire(attachmentId) {
      expired.add(attachmentId)
    },
    serve(path, query, res) {
      const problem = problemWith(path, query)
      const { data, contentType } = served.get(path) ?? {}
      if (problem || !data) {
        res.writeHead(404, { 'content-type': 'text/plain' }).end(problem)
        return 404
      }
      const type = contentType ?? 'application/octet-stream'
      res.writeHead(200, { 'content-type': type, 'content-length': data.length, 'accept-ranges': 'bytes' }).end(data)
      return 200
    },
  }
}

/** Attachment object of the API. */
export function attachmentJson(attachment: Attachment, ephemeral: boolean): Json {
  const { id, filename, size, url, proxyUrl, contentType, description, width, height, spoiler } = attachment
  return {
    id,
    filename,
    size,
    url,
    proxy_url: proxyUrl,
    ...(contentType ? { content_type: contentType } : {}),
    ...(description ? { description } : {}),
    ...(width ? { width, height } : {}),
    ...(ephemeral ? { ephemeral: true } : {}),
    ...(spoiler ? { flags: 1 << 3 } : {}),
  }
}
