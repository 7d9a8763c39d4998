/** The server's websockets: one for each client id, the one that connected last. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'

export interface Sockets {
  /** Sends a message to one client, or to all if it is undefined. Does nothing if the client is not connected. */
  send(client: string | undefined, type: string, data: object): void
  /** Sends a preview, with the metadata if the client supports it. */
  preview(client: string | undefined, picture: Buffer, metadata: object): void
  count(): number
  /** Number of successful handshakes. */
  opened(): number
  kill(): void
  stop(): void
}

export interface SocketsOptions {
  server: Server
  /** The required authorization header, 'Bearer …'. Absent: none. */
  auth?: string
  refuses(): boolean
  /** Data of the first message to a client. */
  greet(): object
  features: { supports_preview_metadata: boolean }
}

interface Client {
  socket: WebSocket
  metadata: boolean
}

export function createSockets({ server, auth, refuses, greet, features }: SocketsOptions): Sockets {
  const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  const clients = new Map<string, Client>()
  let opened = 0

  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    const url = new URL(req.url ?? '/', 'http://emulator')
    if (!/^(\/api)?\/ws$/.test(url.pathname) || refuses()) return void socket.destroy()
    if (auth && req.headers.authorization !== auth) return void socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n')
    if (req.headers.origin !== undefined) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    wss.handleUpgrade(req, socket, head, (ws) => join(ws, url.searchParams.get('clientId') || randomUUID()))
  })

  function join(socket: WebSocket, id: string) {
    opened++
    const client: Client = { socket, metadata: false }
    clients.set(id, client)
    socket.on('error', () => socket.terminate())
    socket.on('close', () => {
      if (clients.get(id) === client) clients.delete(id)
    })
    let first = true
    socket.on('message', (data, isBinary) => {
      const message = isBinary || !first ? undefined : parse(String(data))
      first = false
      if (message?.type !== 'feature_flags') return
      client.metadata = features.supports_preview_metadata && message.data?.supports_preview_metadata === true
      sendTo(client, 'feature_flags', features)
    })
    sendTo(client, 'status', { ...greet(), sid: id })
  }

  const sendTo = ({ socket }: Client, type: string, data: object) => socket.send(JSON.stringify({ type, data }))

  return {
    send(id, type, data) {
      for (const [each, client] of clients) if (id === undefined || each === id) sendTo(client, type, data)
    },
    preview(id, picture, metadata) {
      const client = id === undefined ? undefined : clients.get(id)
      if (!client) return
      const json = Buffer.from(JSON.stringify({ ...metadata, image_type: 'image/jpeg' }))
      const head = client.metadata ? [number(4), number(json.length), json] : [number(1), number(1)]
      client.socket.send(Buffer.concat([...head, picture]))
    },
    count: () => clients.size,
    opened: () => opened,
    kill() {
      for (const { socket } of clients.values()) socket.terminate()
      clients.clear()
    },
    stop() {
      for (const socket of wss.clients) socket.terminate()
      wss.close()
    },
  }
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function parse(text: string): { type?: string; data?: { supports_preview_metadata?: boolean } } | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
