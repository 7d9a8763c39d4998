/** Forms of `/images/edits`: files by `image`, `image[]` and `mask`, numbers and switches as text. */
import { Busboy } from '@fastify/busboy'
import type { Received } from '../server.ts'

/** undefined: this is no form. */
export async function parseForm({ body, headers }: Received): Promise<Record<string, unknown> | undefined> {
  const type = headers['content-type'] ?? ''
  if (!type.startsWith('multipart/form-data')) return undefined
  const fields: Record<string, unknown> = {}
  const images: Buffer[] = []
  await new Promise<void>((done, failed) => {
    const parser = new Busboy({ headers: { 'content-type': type } })
    parser.on('field', (name, value) => {
      fields[name] = name === 'prompt' ? value : fieldValue(value)
    })
    parser.on('file', (name, stream) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const data = Buffer.concat(chunks)
        if (name === 'image' || name === 'image[]') images.push(data)
        else fields[name] = data
      })
    })
    parser.on('finish', () => done())
    parser.on('error', failed)
    parser.end(body)
  })
  return { ...fields, images }
}

function fieldValue(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^\d+$/.test(text) ? Number(text) : text
}
