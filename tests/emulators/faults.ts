/**
 * Injects the faults of networks and platforms into an emulator. The emulator reads the request, calls `apply`, and acts
 * on its verdict:
 *
 *   'handled'    the request was answered, cut off or left hanging, and must not be processed
 *   'dropAfter'  process the request as usual, then destroy the socket instead of responding
 *   'none'       process the request and respond as usual ('delay' has already passed; 'delayAfter' and the kinds that
 *                spoil a response have wrapped `res`)
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { spoil } from './spoil.ts'

export type FaultKind =
  | 'delay' // waits `ms`, then processes as usual
  | 'delayAfter' // processes at once and responds `ms` later; without `ms` it never responds, so the client times out
  | '429' // refused with the platform's rate limit response, not processed
  | '500' // refused with the platform's error response, not processed
  | '502html' // a proxy's HTML page, not processed
  | 'dropBefore' // socket destroyed, not processed
  | 'dropAfter' // processed, then the socket is destroyed: the response is lost
  | 'hang' // neither processed nor answered; with `ms` the socket is destroyed after that time
  | '429absurd' // as '429', with a Retry-After of three years
  | '429bare' // as '429', without Retry-After
  | '503' // refused with the platform's overload response, not processed
  | 'gone' // 404, not processed, also for what exists
  | 'redirect' // 302 to `location`, not processed
  // the following are processed, and their response is spoiled
  | 'truncated' // the first half of the body, as if it were the whole
  | 'cutOff' // the first half of the body, then the socket is destroyed
  | 'garbage' // 200 with bytes that are neither JSON nor a picture, under the right content type
  | '502json' // a gateway's error in JSON, although it was processed
  | 'wrongType' // 200 with an HTML page
  | 'empty' // 200 without a body
  | 'gzipBomb' // 200, content-encoding gzip, 64 MiB of zeros in 64 KiB
  | 'slowLoris' // a byte every 500 ms, without end
  | 'endless' // zeros as fast as the client reads, without end
  | 'hugeLength' // content-length of 1 GB, then silence
  | 'replace' // 200 with `body` of `type`, such as an SVG as PNG

export interface Fault {
  kind: FaultKind
  /** The requests to hit; both parts must match. Absent: all. `path` is tested against the label passed to `apply`. */
  match?: { method?: string; path?: RegExp }
  /** Number of requests to hit. Absent: all until `clear()`. */
  times?: number
  /** Chance that a matching request is hit, 0–1. Absent: 1. */
  probability?: number
  /** Milliseconds, for 'delay', 'delayAfter' and 'hang'. */
  ms?: number
  /** Seconds of the Retry-After header, for '429'. Absent: 1. */
  retryAfterSeconds?: number
  /** For 'redirect'. */
  location?: string
  /** For 'replace'. */
  body?: Buffer
  type?: string
  /** For '429' at Discord: the limit applies to the whole bot, not to this route. */
  global?: boolean
}

type RefusalKind = '429' | '500' | '503' | 'gone'

interface FaultHit {
  kind: FaultKind
  method: string
  label: string
  /** Wall clock in milliseconds. */
  at: number
}

export interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

export interface Faults {
  /** Adds a fault; of several that match, the oldest is used. Returns a function that removes it. */
  add(fault: Fault): () => void
  /** Removes all faults. Requests that hang already stay so until the emulator stops. */
  clear(): void
  readonly hits: FaultHit[]
  apply(req: IncomingMessage, res: ServerResponse, label: string): Promise<'handled' | 'dropAfter' | 'none'>
}

export interface FaultOptions {
  /** Random numbers from 0 to 1. A seeded generator makes a chaos run repeatable. */
  random?: () => number
  /** Refusals in the platform's form. */
  answers?: Partial<Record<RefusalKind, (fault: Fault) => Answer>>
}

export function createFaults({ random = Math.random, answers = {} }: FaultOptions = {}): Faults {
  let active: { fault: Fault; left: number }[] = []
  const hits: FaultHit[] = []

  function pick(method: string, label: string): Fault | undefined {
    for (const entry of active) {
      const { match, probability } = entry.fault
      if (match?.method && match.method.toUpperCase() !== method) continue
      // search() ignores lastIndex, unlike test()
      if (match?.path && label.search(match.path) === -1) continue
      if (probability !== undefined && random() >= probability) continue
      entry.left -= 1
      if (entry.left <= 0) active = active.filter((other) => other !== entry)
      return entry.fault
    }
    return undefined
  }

  return {
    hits,
    add(fault) {
      const entry = { fault, left: fault.times ?? Number.POSITIVE_INFINITY }
      active = [...active, entry]
      return () => {
        active = active.filter((other) => other !== entry)
      }
    },
    clear() {
      active = []
    },
    async apply(req, res, label) {
      const method = req.method ?? 'GET'
      const fault = pick(method, label)
      if (!fault) return 'none'
      hits.push({ kind: fault.kind, method, label, at: Date.now() })
      return inflict(fault, req, res, { ...plainAnswers, ...answers })
    },
  }
}

async function inflict(
  fault: Fault,
  req: IncomingMessage,
  res: ServerResponse,
  answers: Record<RefusalKind, (fault: Fault) => Answer>,
): Promise<'handled' | 'dropAfter' | 'none'> {
  switch (fault.kind) {
    case 'delay':
      await new Promise((resolve) => setTimeout(resolve, fault.ms ?? 0))
      return 'none'
    case 'delayAfter':
      holdAnswer(res, fault.ms)
      return 'none'
    case 'dropAfter':
      return 'dropAfter'
    case '429':
    case '500':
    case '503':
      send(res, answers[fault.kind](fault))
      return 'handled'
    case '429absurd':
    case '429bare': {
      const { headers, ...answer } = answers['429']({ ...fault, retryAfterSeconds: 99_999_999 })
      const { 'retry-after': seconds, ...bare } = headers
      send(res, {
        ...answer,
        headers: fault.kind === '429bare' ? bare : { ...bare, 'retry-after': seconds ?? '99999999' },
      })
      return 'handled'
    }
    case 'gone':
      send(res, answers.gone(fault))
      return 'handled'
    case 'redirect':
      send(res, { status: 302, headers: { location: fault.location ?? '' }, body: '' })
      return 'handled'
    case '502html':
      send(res, badGateway)
      return 'handled'
    case 'dropBefore':
      req.socket.destroy()
      return 'handled'
    case 'hang':
      if (fault.ms !== undefined) setTimeout(() => req.socket.destroy(), fault.ms).unref()
      return 'handled'
    default:
      spoil(res, fault)
      return 'none'
  }
}

function holdAnswer(res: ServerResponse, ms: number | undefined) {
  const end = res.end.bind(res) as (...args: unknown[]) => ServerResponse
  res.end = ((...args: unknown[]) => {
    if (ms !== undefined) setTimeout(() => end(...args), ms)
    return res
  }) as ServerResponse['end']
}

function send(res: ServerResponse, { status, headers, body }: Answer) {
  res.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
}

const json = { 'content-type': 'application/json' }

const plainAnswers = {
  '429': ({ retryAfterSeconds = 1 }: Fault): Answer => ({
    status: 429,
    headers: { ...json, 'retry-after': String(retryAfterSeconds) },
    body: JSON.stringify({ message: 'Too Many Requests' }),
  }),
  '503': (): Answer => ({ status: 503, headers: json, body: JSON.stringify({ message: 'Service Unavailable' }) }),
  gone: (): Answer => ({ status: 404, headers: json, body: JSON.stringify({ message: 'Not Found' }) }),
  '500': (): Answer => ({ status: 500, headers: json, body: JSON.stringify({ message: 'Internal Server Error' }) }),
}

const badGateway: Answer = {
  status: 502,
  headers: { 'content-type': 'text/html' },
  body: '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n',
}
