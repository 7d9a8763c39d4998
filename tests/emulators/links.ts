/** Signed links to result pictures, like those of object stores: any change to the query makes them invalid. */
import { randomBytes } from 'node:crypto'
import type { Received, Sent } from './server.ts'

export interface Links {
  /** Returns the path and query of a link to the picture; `make` draws it on each download. */
  add(query: (signature: string) => Record<string, string>, make: () => Promise<Buffer>, type: string): string
  /** undefined: the request is not for one of these links. */
  serve(received: Received): Promise<Sent | undefined>
  /** Refuses all links from now on, as after their lifetime of 24 hours. */
  expire(): void
}

interface Link {
  query: string
  make: () => Promise<Buffer>
  type: string
}

export function createLinks(folder: string, extension: string): Links {
  const links = new Map<string, Link>()
  let expired = false
  return {
    add(query, make, type) {
      const path = `${folder}/${randomBytes(12).toString('hex')}.${extension}`
      const search = new URLSearchParams(query(randomBytes(20).toString('hex'))).toString()
      links.set(path, { query: search, make, type })
      return `${path}?${search}`
    },
    async serve({ path, query, headers }) {
      if (!path.startsWith(`${folder}/`)) return undefined
      const link = links.get(path)
      if (!link) return refusal(404, 'NoSuchKey')
      if (headers.authorization !== undefined) return refusal(400, 'InvalidArgument')
      if (query.toString() !== link.query) return refusal(403, 'SignatureDoesNotMatch')
      if (expired) return refusal(403, 'AccessDenied')
      return { status: 200, headers: { 'content-type': link.type }, body: await link.make() }
    },
    expire: () => {
      expired = true
    },
  }
}

function refusal(status: number, code: string): Sent {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>Request refused.</Message></Error>`
  return { status, headers: { 'content-type': 'application/xml' }, body }
}
