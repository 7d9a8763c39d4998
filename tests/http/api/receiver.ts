/** A local server that receives webhooks: it records them, and responds as a test asks. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ReceivedRequest {
  path: string
  method: string
  headers: Record<string, string>
  body: string
}

export interface Receiver {
  origin: string
  /** Complete requests, in order. */
  received: ReceivedRequest[]
  /** Requests to this path and query. */
  receivedAt(path: string): ReceivedRequest[]
  /** Path without its query → how it responds. Absent: 204. */
  answers: Map<string, (response: ServerResponse) => void>
  stop(): Promise<void>
}

export async function startReceiver(): Promise<Receiver> {
  const received: ReceivedRequest[] = []
  const answers: Receiver['answers'] = new Map()
  const server = createServer(async (request, response) => {
    const { url: path = '', method = '' } = request
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    received.push({
      path,
      method,
      headers: request.headers as Record<string, string>,
      body: Buffer.concat(chunks).toString(),
    })
    const answer = answers.get(path.split('?')[0] ?? '')
    if (answer) answer(response)
    else response.writeHead(204).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    receivedAt: (path) => received.filter((each) => each.path === path),
    answers,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}
