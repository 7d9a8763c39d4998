/** The HTTP server of the emulators: listens on a local port, records requests and injects faults. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { createFaults, type FaultKind, type FaultOptions, type Faults } from './faults.ts'

/** A received request. */
export interface Received {
  method: string
  /** Without the query. */
  path: string
  query: URLSearchParams
  headers: IncomingHttpHeaders
  body: Buffer
  /** Wall clock in milliseconds. */
  at: number
  /** Status of the response; 0 while there is none. */
  status: number
  /** The fault that hit it. Absent: none. */
  fault?: FaultKind
}

export interface Sent {
  status: number
  headers?: Readonly<Record<string, string>>
  /** An object is sent as JSON. */
  body?: Buffer | string | object
}

export interface EmulatorServer {
  /** 'http://127.0.0.1:<port>'. */
  url: string
  port: number
  server: Server
  requests: Received[]
  faults: Faults
  stop(): Promise<void>
}

export interface ServerOptions extends FaultOptions {
  /** Absent: any free port. */
  port?: number
  /** Returns the response; 'streamed' if it writes to `res` itself. */
  handle(received: Received, res: ServerResponse): Promise<Sent | 'streamed'>
  /** What faults are matched against. Default: the path. */
  labelOf?(received: Received): string
  /** Number of requests to keep, roughly. Default: all. For long runs. */
  keepRequests?: number
}

export async function startServer(options: ServerOptions): Promise<EmulatorServer> {
  const { port = 0, handle, random, answers, labelOf, keepRequests = Number.POSITIVE_INFINITY } = options
  const faults = createFaults({ random, answers })
  const requests: Received[] = []

  async function serve(req: IncomingMessage, res: ServerResponse) {
    const url = new URL(req.url ?? '/', 'http://emulator')
    const received: Received = {
      method: req.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: req.headers,
      body: await readBody(req),
      at: Date.now(),
      status: 0,
    }
    requests.push(received)
    if (requests.length > keepRequests * 2) requests.splice(0, requests.length - keepRequests)
    const hits = faults.hits.length
    const applied = faults.apply(req, res, labelOf?.(received) ?? received.path)
    if (faults.hits.length > hits) received.fault = faults.hits.at(-1)?.kind
    const verdict = await applied
    if (verdict === 'handled') {
      if (res.writableEnded) received.status = res.statusCode
      return
    }
    const sent = await handle(received, res)
    if (verdict === 'dropAfter') return void req.socket.destroy()
    if (sent === 'streamed' || res.destroyed) return
    received.status = sent.status
    const { body, type } = encode(sent.body)
    res.writeHead(sent.status, { ...type, 'content-length': body.length, ...sent.headers }).end(body)
  }

  const server = createServer((req, res) => {
    serve(req, res).catch((error: unknown) => {
      if (!req.complete) return void res.destroy()
      process.stderr.write(`the emulator could not handle ${req.method} ${req.url}: ${(error as Error).stack}\n`)
      res.destroy()
    })
  })
  // longer than the client's timeout, so that the server never closes a connection that the client is about to use
  server.keepAliveTimeout = 120_000
  await new Promise<void>((started, failed) => {
    server.once('error', failed)
    server.listen(port, '127.0.0.1', started)
  })
  const { port: at } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${at}`,
    port: at,
    server,
    requests,
    faults,
    stop: () =>
      new Promise<void>((stopped) => {
        server.close(() => stopped())
        server.closeAllConnections()
      }),
  }
}

async function readBody(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function encode(body: Sent['body']): { body: Buffer; type: Record<string, string> } {
  if (body === undefined) return { body: Buffer.alloc(0), type: {} }
  if (Buffer.isBuffer(body)) return { body, type: { 'content-type': 'application/octet-stream' } }
  if (typeof body === 'string')
    return { body: Buffer.from(body), type: { 'content-type': 'text/plain; charset=utf-8' } }
  return { body: Buffer.from(JSON.stringify(body)), type: { 'content-type': 'application/json' } }
}
