/**
 * Makes an emulator misbehave on purpose, the way networks and platforms do. The emulator reads the request, asks `apply`, and then:
 *
 *   'handled'    the request was answered, cut or left hanging, and must NOT be processed
 *   'dropAfter'  process the request as usual, then destroy the socket instead of answering: the reply is lost
 *   'none'       process and answer as usual (a 'delay' has already been waited for; 'delayAfter' and the kinds that
 *                spoil an answer have taken hold of the response)
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { spoil } from './spoil.ts'

export type FaultKind =
  | 'delay' // wait `ms`, then process as usual
  | 'delayAfter' // process at once, answer `ms` later; without `ms` never answer: the caller times out, yet it happened
  | '429' // refused with the platform's own "slow down" answer, not processed
  | '500' // refused with the platform's own error answer, not processed
  | '502html' // a proxy's HTML page, not processed
  | 'dropBefore' // socket destroyed, not processed
  | 'dropAfter' // processed, then socket destroyed: the reply is lost
  | 'hang' // never answered and not processed; with `ms` the socket is destroyed after that long
  | '429absurd' // as '429', with a Retry-After of three years
  | '429bare' // as '429', without Retry-After
  | '503' // refused for now, not processed
  | 'gone' // 404, not processed: done and then not there
  | 'redirect' // 302 to `location`, not processed
  // the rest is processed, and the answer spoiled
  | 'truncated' // the first half of the body, as if it were all
  | 'cutOff' // the first half of the body, then the socket is destroyed
  | 'garbage' // 200 with bytes that are neither JSON nor a picture, under the right content type
  | '502json' // a gateway's error in JSON, although it was processed
  | 'wrongType' // 200 with a page of text/html
  | 'empty' // 200 without a body
  | 'gzipBomb' // 200, content-encoding gzip, 64 MiB of zeros in 64 KiB
  | 'slowLoris' // a byte every 500 ms, for ever
  | 'endless' // zeros as fast as they are taken, for ever
  | 'hugeLength' // content-length of 1 GB, then silence
  | 'replace' // 200 with `body` of `type`: an SVG as PNG, a picture of a billion pixels

export interface Fault {
  kind: FaultKind
  /** Both parts must match; absent means everything. `path` is tested on the label the emulator passes to `apply`. */
  match?: { method?: string; path?: RegExp }
  /** How many requests it hits before it wears out. Absent: until `clear()`. */
  times?: number
  /** 0–1, drawn for each matching request. Absent: 1. */
  probability?: number
  /** For 'delay', 'delayAfter' and 'hang'. */
  ms?: number
  /** For '429'. Absent: 1. */
  retryAfterSeconds?: number
  /** For 'redirect'. */
  location?: string
  /** For 'replace'. */
  body?: Buffer
  type?: string
  /** For '429': the limit is the whole bot's, not this route's (Discord only). */
  global?: boolean
}

type Refusal = '429' | '500' | '503' | 'gone'

interface FaultHit {
  kind: FaultKind
  method: string
  label: string
  /** Wall clock, ms. */
  at: number
}

export interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

export interface Faults {
  /** The first added fault that matches is used. Returns a function that takes this fault out again. */
  add(fault: Fault): () => void
  /** Forgets all faults. Requests already hanging stay so until the emulator stops. */
  clear(): void
  readonly hits: FaultHit[]
  apply(req: IncomingMessage, res: ServerResponse, label: string): Promise<'handled' | 'dropAfter' | 'none'>
}

export interface FaultOptions {
  /** Pass a seeded one to make a chaos run repeatable. */
  random?: () => number
  /** The platform's own words. */
  answers?: Partial<Record<Refusal, (fault: Fault) => Answer>>
}

export function createFaults({ random = Math.random, answers = {} }: FaultOptions = {}): Faults {
  let active: { fault: Fault; left: number }[] = []
  const hits: FaultHit[] = []

  function pick(method: string, label: string): Fault | undefined {
    for (const entry of active) {
      const { match, probability } = entry.fault
      if (match?.method && match.method.toUpperCase() !== method) continue
      if (match?.path && label.search(match.path) === -1) continue // search() ignores lastIndex, unlike test()
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
  answers: Record<Refusal, (fault: Fault) => Answer>,
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
