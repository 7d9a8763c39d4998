/** One websocket, opened again with growing pauses for as long as it is wanted. What it misses, polling finds out. */
import { WebSocket } from 'ws'
import type { Log } from '../../log.ts'

export interface SocketOptions {
  /** 'ws://…/ws?clientId=…'. */
  url: string
  headers: Readonly<Record<string, string>>
  onText(text: string): void
  onBinary(bytes: Buffer): void
  log: Log
}

export interface NewsSocket {
  /** Opens it. Resolves when it is open, or it is not worth waiting any longer. */
  want(): Promise<void>
  /** Until it is wanted again. */
  drop(): void
}

const messageLimit = 8 * 1024 * 1024
const handshakeMs = 5_000
const patienceMs = 1_000
const firstPauseMs = 500
const longestPauseMs = 15_000
const pingEveryMs = 20_000

/** The first message: previews come with the id of their run from servers that can do that. */
const features = JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } })

export function createSocket({ url, headers, onText, onBinary, log }: SocketOptions): NewsSocket {
  let socket: WebSocket | undefined
  let timer: NodeJS.Timeout | undefined
  let pauseMs = firstPauseMs
  let opened: Promise<void> = Promise.resolve()

  function open() {
    timer = undefined
    // no Origin header: a server on this machine refuses those of others
    const fresh = new WebSocket(url, {
      headers,
      perMessageDeflate: false,
      maxPayload: messageLimit,
      handshakeTimeout: handshakeMs,
    })
    socket = fresh
    opened = new Promise((resolve) => {
      fresh.once('open', resolve)
      fresh.once('close', () => resolve())
    })
    const stopPings = pings(fresh)
    fresh.on('open', () => {
      pauseMs = firstPauseMs
      fresh.send(features)
    })
    fresh.on('message', (data, isBinary) => {
      if (socket !== fresh) return
      if (isBinary) onBinary(data as Buffer)
      else onText(String(data))
    })
    fresh.on('error', (error) => log.debug({ provider: 'comfyui', err: error }, 'a websocket failed'))
    fresh.on('close', () => {
      stopPings()
      if (socket !== fresh) return
      socket = undefined
      timer = setTimeout(open, pauseMs)
      timer.unref()
      pauseMs = Math.min(longestPauseMs, pauseMs * 2)
    })
  }

  return {
    async want() {
      if (!socket && !timer) open()
      let waiting: NodeJS.Timeout | undefined
      const enough = new Promise<void>((resolve) => {
        waiting = setTimeout(resolve, patienceMs)
      })
      await Promise.race([opened, enough])
      clearTimeout(waiting)
    },
    drop() {
      clearTimeout(timer)
      timer = undefined
      const last = socket
      socket = undefined
      pauseMs = firstPauseMs
      last?.terminate()
    },
  }
}

/** A connection may die without a word. */
function pings(socket: WebSocket): () => void {
  let answered = true
  socket.on('pong', () => {
    answered = true
  })
  const timer = setInterval(() => {
    if (!answered) return socket.terminate()
    answered = false
    if (socket.readyState === WebSocket.OPEN) socket.ping()
  }, pingEveryMs)
  timer.unref()
  return () => clearInterval(timer)
}
