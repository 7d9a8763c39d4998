/** Answers requests that Node rejects before there is anything to route: broken HTTP, headers that are too long, timeouts. */
import { randomUUID } from 'node:crypto'
import { maxHeaderSize, type OutgoingMessage, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

interface Log {
  debug(data: object, message: string): void
}

type Rejection = readonly [status: number, message: string]

const malformed: Rejection = [400, 'This is not a valid HTTP request.']
const rejections: Readonly<Record<string, Rejection>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The chunk extensions are too long.'],
  HPE_HEADER_OVERFLOW: [431, `The address and the headers are too long: together at most ${maxHeaderSize / 1024} kB.`],
}

/** For `clientError` of Node's servers. Closes the connection. */
export function refuseMalformed(log: Log) {
  return (error: { code?: string }, socket: Socket & { _httpMessage?: OutgoingMessage | null }): void => {
    const { code = '' } = error
    // the client would read a response to this one as part of the response that is being sent
    if (!socket.writable || code === 'ECONNRESET' || socket._httpMessage?.headersSent) return void socket.destroy()
    const [status, message] = rejections[code] ?? malformed
    const id = randomUUID()
    log.debug({ id, status, code }, 'rejected a malformed http request')
    socket.write(response(id, status, JSON.stringify({ error: { kind: 'bad_request', message } })))
    socket.destroySoon()
  }
}

function response(id: string, status: number, body: string): string {
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
