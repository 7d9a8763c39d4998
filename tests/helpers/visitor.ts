/** A visitor of the page: a client that keeps its cookie as a browser does. */
import { request } from 'undici'

interface Visit {
  url: string
  port: number
  /** Token of the sign-in link. '': the visitor does not open the link. */
  token: string
  /** What a test undoes at its end. */
  stops: (() => Promise<unknown>)[]
}

interface Listening {
  url: string
  headers: Record<string, string>
  stops: (() => Promise<unknown>)[]
}

export interface SendOptions {
  id?: string
  files?: Buffer[]
  locale?: string
  headers?: Record<string, string>
  /** Address of another process. */
  url?: string
}

type AskOptions = { method?: 'GET' | 'POST'; headers?: Record<string, string>; body?: string | Buffer }

/** Signs in, unless it gets no token. */
export async function visit({ url, port, token, stops }: Visit) {
  let cookie = ''
  const ask = async (path: string, { method = 'GET', headers, body }: AskOptions = {}, at = url) => {
    const own = { host: at === url ? `localhost:${port}` : new URL(at).host, ...(cookie && { cookie }) }
    const answer = await request(at + path, { method, headers: { ...own, ...headers }, body })
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() }
  }
  const link = await ask(`/?token=${token}`)
  cookie = String(link.headers['set-cookie'] ?? '').split(';')[0] as string
  const session = JSON.parse((await ask('/web/session')).text) as { visitor?: string }

  return {
    session,
    cookie,
    visitor: session.visitor ?? '',
    ask,
    signIn: (key: string) =>
      ask('/web/signin', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ key }),
      }),
    send: async (text: string, options: SendOptions = {}) => {
      const { id = crypto.randomUUID(), files = [], locale = 'en', headers, url: at } = options
      const body = new FormData()
      body.set('id', id)
      body.set('text', text)
      for (const [n, data] of files.entries()) body.append('images', new Blob([new Uint8Array(data)]), `${n}.png`)
      const form = new Response(body)
      const type = { 'content-type': form.headers.get('content-type') ?? '', 'accept-language': locale }
      const data = Buffer.from(await form.arrayBuffer())
      const request = { method: 'POST', headers: { ...type, ...headers }, body: data } as const
      const { status, text: json } = await ask('/web/messages', request, at)
      return { status, body: JSON.parse(json) as { id?: string; error?: { kind: string; message: string } } }
    },
    messages: async () => JSON.parse((await ask('/web/messages')).text) as Record<string, unknown>[],
    listen: (headers: Record<string, string> = {}) =>
      listen({ url, headers: { host: `localhost:${port}`, cookie, ...headers }, stops }),
  }
}

async function listen({ url, headers, stops }: Listening) {
  const { statusCode, body } = await request(`${url}/web/events`, { headers })
  // the end of a test cuts the connection, which is no error
  body.on('error', () => {})
  stops.push(async () => body.destroy())
  const chunks = body[Symbol.asyncIterator]()
  let text = ''
  return {
    status: statusCode,
    close: async () => body.destroy(),
    next: async (): Promise<Record<string, unknown>> => {
      for (;;) {
        const [whole, data] = /^(?:id: \d+\n)data: (.*)\n\n/m.exec(text) ?? []
        if (whole !== undefined && data !== undefined) {
          text = text.slice(text.indexOf(whole) + whole.length)
          return JSON.parse(data)
        }
        const chunk = await chunks.next()
        if (chunk.done) throw new Error('the stream has ended')
        text += String(chunk.value)
      }
    },
  }
}
