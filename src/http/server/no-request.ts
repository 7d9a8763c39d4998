/** What is no request, or never becomes one: Node refuses it before there is anything to route, and this says so. */
import { randomUUID } from 'node:crypto'
import { maxHeaderSize, type OutgoingMessage, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

interface Log {
  debug(data: object, message: string): void
}

type Refusal = readonly [status: number, message: string]

const unread: Refusal = [400, 'This is not a request in HTTP.']
const refusals: Readonly<Record<string, Refusal>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not come in time.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The extensions of chunks are too long.'],
  HPE_HEADER_OVERFLOW: [431, `The address and the headers are too long: together at most ${maxHeaderSize / 1024} kB.`],
}

/** For `clientError` of Node's servers. The connection ends with it. */
export function refuseWhatIsNoRequest(log: Log) {
  return (error: { code?: string }, socket: Socket & { _httpMessage?: OutgoingMessage | null }): void => {
    const { code = '' } = error
    // in the middle of an answer it would be read as part of that
    if (!socket.writable || code === 'ECONNRESET' || socket._httpMessage?.headersSent) return void socket.destroy()
    const [status, message] = refusals[code] ?? unread
    const id = randomUUID()
    log.debug({ id, status, code }, 'http')
    socket.write(answer(id, status, JSON.stringify({ error: { kind: 'bad_request', message } })))
    socket.destroySoon()
  }
}

function answer(id: string, status: number, body: string): string {
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${id}`,
    'x-content-type-options: nosniff',
    'referrer-policy: no-referrer',
    'access-control-allow-origin: *',
    'connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}
