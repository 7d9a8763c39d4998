/** Replaces a valid response by a spoiled one. */
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import type { Fault } from './faults.ts'

let cachedBomb: Buffer | undefined

/** 64 MiB of zeros, compressed once because it takes a while. */
function gzipBomb(): Buffer {
  cachedBomb ??= gzipSync(Buffer.alloc(64 * 1024 * 1024))
  return cachedBomb
}

/** Wraps `res` so that the next `res.writeHead(…).end(body)` sends the spoiled response. */
export function spoil(res: ServerResponse, fault: Fault) {
  const { writeHead, end } = { writeHead: res.writeHead.bind(res), end: res.end.bind(res) }
  let type = 'application/octet-stream'
  res.writeHead = ((_status: number, headers: Record<string, string | number> = {}) => {
    type = String(headers['content-type'] ?? type)
    return res
  }) as ServerResponse['writeHead']
  res.end = ((body: Buffer | string = '') => {
    res.writeHead = writeHead
    res.end = end
    sendSpoiled(res, fault, { type, body: Buffer.from(body) })
    return res
  }) as ServerResponse['end']
}

function sendSpoiled(res: ServerResponse, fault: Fault, { type, body }: { type: string; body: Buffer }): unknown {
  const whole = (status: number, contentType: string, bytes: Buffer, more: Record<string, string> = {}) =>
    res.writeHead(status, { 'content-type': contentType, 'content-length': bytes.length, ...more }).end(bytes)
  switch (fault.kind) {
    case 'truncated':
      return whole(200, type, body.subarray(0, body.length >> 1))
    case 'cutOff':
      res.writeHead(200, { 'content-type': type, 'content-length': body.length })
      return res.write(body.subarray(0, body.length >> 1), () => res.destroy())
    case 'garbage':
      return whole(200, type, Buffer.from([0x7b, 0x00, 0xff, 0xfe, 0x22, 0x80]))
    case '502json': {
      const error = JSON.stringify({ message: 'An invalid response was received from the upstream server' })
      return whole(502, 'application/json', Buffer.from(error))
    }
    case 'wrongType':
      return whole(200, 'text/html', Buffer.from('<html><body>Hello</body></html>'))
    case 'empty':
      return whole(200, type, Buffer.alloc(0))
    case 'gzipBomb':
      return whole(200, type, gzipBomb(), { 'content-encoding': 'gzip' })
    case 'replace':
      return whole(200, fault.type ?? type, fault.body ?? Buffer.alloc(0))
    case 'hugeLength':
      res.writeHead(200, { 'content-type': type, 'content-length': 1_000_000_000 })
      return res.flushHeaders()
    case 'slowLoris':
      return drip(res, type)
    case 'endless':
      return pour(res, type)
  }
}

function drip(res: ServerResponse, type: string): void {
  res.writeHead(200, { 'content-type': type })
  const timer = setInterval(() => res.write(' '), 500)
  res.once('close', () => clearInterval(timer))
}

function pour(res: ServerResponse, type: string): void {
  const zeros = Buffer.alloc(64 * 1024)
  res.writeHead(200, { 'content-type': type })
  const more = () => {
    while (!res.destroyed && res.write(zeros));
    if (!res.destroyed) res.once('drain', more)
  }
  more()
}
