/**
 * Local image service that answers every request at once with the same picture, in the wire formats of OpenAI (for the
 * gateway), Ark (links) and Workers AI (base64).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Upstream {
  url: string
  /** Number of picture requests so far. */
  requests(): number
  stop(): Promise<void>
}

/** Prompt whose links lead to a tiny picture, so that only the cost of the route remains. */
export const lightPrompt = 'a light one'

export async function startUpstream(heavy: Buffer, light: Buffer): Promise<Upstream> {
  const base64 = heavy.toString('base64')
  const openaiBase64 = JSON.stringify({ created: 1_735_689_600, data: [{ b64_json: base64 }] })
  const workersAi = JSON.stringify({ result: { image: base64 }, success: true, errors: [], messages: [] })
  let requests = 0

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request)
    const { url: path = '' } = request
    if (path.startsWith('/files/')) return send(response, 'image/png', path.includes('light') ? light : heavy)
    requests++
    if (path.includes('/ai/run/')) return send(response, 'application/json', workersAi)
    const { prompt, response_format: format } = JSON.parse(body) as { prompt: string; response_format?: string }
    const link = `http://${request.headers.host}/files/${prompt === lightPrompt ? 'light' : 'heavy'}.png`
    const openaiLink = JSON.stringify({ created: 1_735_689_600, data: [{ url: link }] })
    return send(response, 'application/json', format === 'b64_json' ? openaiBase64 : openaiLink)
  }

  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    stop: () => new Promise((resolve) => void server.close(() => resolve()).closeAllConnections()),
  }
}

async function read(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}

function send(response: ServerResponse, type: string, body: string | Buffer): void {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)
}
