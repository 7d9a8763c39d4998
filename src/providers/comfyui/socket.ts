/** A websocket that reconnects with growing pauses until it is closed. Polling makes up for the messages it misses. */
import { WebSocket } from 'ws'
import type { ProviderContext } from '../../core/ports/providers.ts'

export interface SocketOptions {
  /** 'ws://…/ws?clientId=…'. */
  url: string
  headers: Readonly<Record<string, string>>
  onText(text: string): void
  onBinary(bytes: Buffer): void
  log: ProviderContext['log']
}

export interface EventSocket {
  /** Connects if necessary. Resolves when the socket is open, has failed, or after one second. */
  open(): Promise<void>
  /** Closes the socket until `open` is called again. */
  close(): void
}

const messageLimit = 8 * 1024 * 1024
const handshakeMs = 5_000
const openWaitMs = 1_000
const firstPauseMs = 500
const longestPauseMs = 15_000
const pingEveryMs = 20_000

/** The first message: asks servers that can do so to send previews with the id of their run. */
const features = JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } })

export function createSocket({ url, headers, onText, onBinary, log }: SocketOptions): EventSocket {
  let socket: WebSocket | undefined
  let timer: NodeJS.Timeout | undefined
  let pauseMs = firstPauseMs
  let opened: Promise<void> = Promise.resolve()

  function connect() {
    timer = undefined
    // send no Origin header: servers refuse origins other than their own
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
    const stopPings = startPings(fresh)
    fresh.on('open', () => {
      pauseMs = firstPauseMs
      fresh.send(features)
    })
    fresh.on('message', (data, isBinary) => {
      if (socket !== fresh) return
      if (isBinary) onBinary(data as Buffer)
      else onText(String(data))
    })
    fresh.on('error', (error) => log.debug({ provider: 'comfyui', err: error }, 'websocket failed; reconnecting'))
    fresh.on('close', () => {
      stopPings()
      if (socket !== fresh) return
      socket = undefined
      timer = setTimeout(connect, pauseMs)
      timer.unref()
      pauseMs = Math.min(longestPauseMs, pauseMs * 2)
    })
  }

  return {
    async open() {
      if (!socket && !timer) connect()
      let waiting: NodeJS.Timeout | undefined
      const waited = new Promise<void>((resolve) => {
        waiting = setTimeout(resolve, openWaitMs)
      })
      await Promise.race([opened, waited])
      clearTimeout(waiting)
    },
    close() {
      clearTimeout(timer)
      timer = undefined
      const last = socket
      socket = undefined
      pauseMs = firstPauseMs
      last?.terminate()
    },
  }
}

/** Terminates a connection that no longer answers pings: a lost connection causes no event by itself. */
function startPings(socket: WebSocket): () => void {
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
