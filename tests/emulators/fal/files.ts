/** The CDN: result pictures, drawn on download, and uploaded files. Downloads need no key. */
import { randomUUID } from 'node:crypto'
import { picture } from '../pictures.ts'
import type { Received, Sent } from '../server.ts'
import type { Drawing } from './outcome.ts'

export interface Files {
  /** Returns the file name under which the picture can be downloaded. */
  keep(drawing: Drawing): string
  handle(received: Received, name: string): Promise<Sent>
}

const limit = 20_000

export function createFiles(replace?: (drawing: Drawing) => Promise<Buffer>): Files {
  const drawings = new Map<string, Drawing>()
  const uploads = new Map<string, { body: Buffer; type: string }>()

  return {
    keep(drawing) {
      const name = `${randomUUID()}.${drawing.type === 'jpeg' ? 'jpg' : drawing.type}`
      drawings.set(name, drawing)
      const oldest = drawings.keys().next().value
      if (drawings.size > limit && oldest) drawings.delete(oldest)
      return name
    },
    async handle({ method, headers, body }, name) {
      if (method === 'PUT') {
        uploads.set(name, { body, type: headers['content-type'] ?? 'application/octet-stream' })
        return { status: 200, body: {} }
      }
      const upload = uploads.get(name)
      if (upload) return { status: 200, headers: { 'content-type': upload.type }, body: upload.body }
      const drawing = drawings.get(name)
      if (!drawing) return { status: 404, headers: { 'content-type': 'text/plain' }, body: 'Not Found' }
      const { width, height, type, seed } = drawing
      const bytes = await (replace?.(drawing) ?? picture(width, height, type, seed))
      return { status: 200, headers: { 'content-type': `image/${type}` }, body: bytes }
    },
  }
}
