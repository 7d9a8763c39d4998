/** Discord's gateway. A session outlives its socket, so that a disconnected client can resume without missing events. */
import { randomBytes } from 'node:crypto'
import type { Server } from 'node:http'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { createSignal } from './signal.ts'
import type { Json } from './types.ts'

export const INTENT = { guilds: 1 << 0, guildMessages: 1 << 9, directMessages: 1 << 12, messageContent: 1 << 15 }

const RESUMABLE_MS = 120_000
const REPLAY_LIMIT = 1000
const SENDS_PER_MINUTE = 120
const MAX_PAYLOAD_BYTES = 4096
const IDENTIFY_EVERY_MS = 5_000

interface Session {
  id: string
  shard: [number, number]
  intents: number
  seq: number
  sent: { s: number; text: string }[]
  socket?: WebSocket
  lostAt?: number
}

interface Event {
  t: string
  d: Json
  /** Guild that determines the shard. Absent: shard 0, which receives direct messages. */
  guildId?: string | null
  /** Intent a session needs to receive the event. Absent: all sessions of the shard. */
  intent?: number
  /** Payload for sessions without the MESSAGE_CONTENT intent. Absent: `d`. */
  withoutContent?: Json
}

/** An identify or resume that a client sent. */
export interface Handshake {
  kind: 'identify' | 'resume'
  shard: [number, number]
  intents: number
}

export interface Gateway {
  /** Returns the number of receiving sessions, including disconnected ones that can still resume. */
  dispatch(event: Event): number
  wants(intent: number): boolean
  /** Resolves once all shards of a bot are connected and `sessions` are open in total (default 1). */
  ready(sessions?: number, timeoutMs?: number): Promise<void>
  connected(): number
  /** Terminates all TCP connections without a close frame. */
  drop(): void
  /** Sends op 7, which asks the clients to reconnect and resume. */
  reconnect(): void
  /** Sends op 9, invalid session. */
  invalidate(resumable: boolean): void
  /** Terminates new connections while true. */
  refuse(refusing: boolean): void
  /** Closes the connections with this close code: of one shard, or of all. */
  close(code: number, shard?: number): void
  /** While set, connections that identify are closed with this close code. */
  closeOnIdentify(code: number | undefined): void
  /** While true, heartbeats get no ACK. */
  ignoreHeartbeats(ignoring: boolean): void
  /** Accepted identifies and resumes, oldest first. */
  handshakes: Handshake[]
  /** Shards whose identifies came too early. */
  refusedIdentifies: number[]
  /** Wall clock times of connection attempts in ms, refused ones included. */
  attempts: number[]
  stop(): void
}

export interface GatewayOptions {
  token: string
  heartbeatMs: number
  url: () => string
  /** Identifies of shards with the same `id % maxConcurrency` in less than 5 s are refused with op 9. Absent: none are. */
  maxConcurrency?: number
  /** true: no GUILD_CREATE follows READY, as during an outage of guilds. */
  guildsUnavailable?: boolean
  /** `user` and `application` of READY, and the bot's guilds as GUILD_CREATE payloads. */
  hello: () => { user: Json; application: Json; guilds: Json[] }
}

export function createGateway(server: Server, options: GatewayOptions): Gateway {
  const sockets = new WebSocketServer({ noServer: true })
  const sessions = new Map<string, Session>()
  const readiness = createSignal<void>()
  const handshakes: Handshake[] = []
  const attempts: number[] = []
  const refusedIdentifies: number[] = []
  const identifiedAt = new Map<number, number>()
  let refusing = false
  let identifyCloseCode: number | undefined
  let ignoringHeartbeats = false

  server.on('upgrade', (req, socket, head) => {
    attempts.push(Date.now())
    if (refusing) return socket.destroy()
    sockets.handleUpgrade(req, socket, head, (client) => serve(client))
  })

  function serve(socket: WebSocket) {
    let session: Session | undefined
    let sends: number[] = []
    socket.on('error', () => socket.terminate())
    socket.on('close', (code) => {
      if (!session || session.socket !== socket) return
      session.socket = undefined
      session.lostAt = Date.now()
      if (code === 1000 || code === 1001) sessions.delete(session.id) // a client that closes normally ends its session
    })
    socket.on('message', (raw: RawData) => {
      const text = raw.toString()
      const now = Date.now()
      sends = [...sends.filter((at) => at > now - 60_000), now]
      if (sends.length > SENDS_PER_MINUTE) return socket.close(4008, 'You are being rate limited.')
      const message = parse(text)
      if (!message || text.length > MAX_PAYLOAD_BYTES) return socket.close(4002, 'Error while decoding payload.')
      if (message.op === 1) return ignoringHeartbeats ? undefined : socket.send('{"op":11}')
      if (message.op === 2) {
        if (session) return socket.close(4005, 'Already authenticated.')
        session = identify(socket, message.d)
      } else if (message.op === 6) session = resume(socket, message.d)
      else if (!session) socket.close(4003, 'Not authenticated.')
      else if (![3, 4, 8, 31].includes(message.op)) socket.close(4001, 'Unknown opcode.')
    })
    socket.send(JSON.stringify({ op: 10, d: { heartbeat_interval: options.heartbeatMs } }))
  }

  function identify(socket: WebSocket, d: Json): Session | undefined {
    if (!tokenFits(d)) return void socket.close(4004, 'Authentication failed.')
    if (identifyCloseCode) return void socket.close(identifyCloseCode)
    const [id, count] = (d.shard ?? [0, 1]) as [number, number]
    if (!(id >= 0 && id < count)) return void socket.close(4010, 'Invalid shard.')
    if (typeof d.intents !== 'number') return void socket.close(4013, 'Invalid intent(s).')
    const group = id % (options.maxConcurrency ?? 1)
    const isEarly = Date.now() - (identifiedAt.get(group) ?? 0) < IDENTIFY_EVERY_MS
    if (options.maxConcurrency && isEarly) {
      refusedIdentifies.push(id)
      return void socket.send('{"op":9,"d":false}')
    }
    identifiedAt.set(group, Date.now())
    const session: Session = {
      id: randomBytes(16).toString('hex'),
      shard: [id, count],
      intents: d.intents,
      seq: 0,
      sent: [],
      socket,
    }
    sessions.set(session.id, session)
    handshakes.push({ kind: 'identify', shard: session.shard, intents: session.intents })
    const { user, application, guilds } = options.hello()
    const mine = guilds.filter((guild) => shardOf(guild.id as string, count) === id)
    send(session, 'READY', {
      v: 10,
      user,
      application,
      guilds: mine.map((guild) => ({ id: guild.id, unavailable: true })),
      session_id: session.id,
      resume_gateway_url: options.url(),
      shard: session.shard,
      relationships: [],
      private_channels: [],
    })
    if (session.intents & INTENT.guilds && !options.guildsUnavailable)
      for (const guild of mine) send(session, 'GUILD_CREATE', guild)
    readiness.fire()
    return session
  }

  function resume(socket: WebSocket, d: Json): Session | undefined {
    if (!tokenFits(d)) return void socket.close(4004, 'Authentication failed.')
    const session = sessions.get(d.session_id as string)
    if (!session || isOver(session)) return void socket.send('{"op":9,"d":false}')
    if ((d.seq as number) > session.seq) return void socket.close(4007, 'Invalid seq.')
    session.socket?.terminate()
    session.socket = socket
    session.lostAt = undefined
    handshakes.push({ kind: 'resume', shard: session.shard, intents: session.intents })
    for (const { s, text } of session.sent) if (s > (d.seq as number)) socket.send(text)
    send(session, 'RESUMED', {})
    readiness.fire()
    return session
  }

  const tokenFits = (d: Json) => String(d.token).replace(/^Bot /, '') === options.token
  const isOver = (session: Session) => session.lostAt !== undefined && Date.now() - session.lostAt > RESUMABLE_MS

  function send(session: Session, t: string, d: Json) {
    session.seq += 1
    const text = JSON.stringify({ op: 0, t, s: session.seq, d })
    session.sent.push({ s: session.seq, text })
    if (session.sent.length > REPLAY_LIMIT) session.sent.splice(0, REPLAY_LIMIT / 2)
    session.socket?.send(text)
  }

  function live() {
    for (const session of sessions.values()) if (isOver(session)) sessions.delete(session.id)
    return [...sessions.values()]
  }

  const connected = () => [...sessions.values()].filter((session) => session.socket)

  return {
    dispatch({ t, d, guildId, intent = 0, withoutContent = d }) {
      const receivers = live().filter(
        ({ shard, intents }) => shardOf(guildId, shard[1]) === shard[0] && (intents & intent) === intent,
      )
      for (const session of receivers) send(session, t, session.intents & INTENT.messageContent ? d : withoutContent)
      return receivers.length
    },
    wants: (intent) => live().some(({ intents }) => (intents & intent) === intent),
    async ready(sessions = 1, timeoutMs = 60_000) {
      const isReady = () => {
        const open = connected()
        const shards = new Set(open.map(({ shard }) => shard[0]))
        return open.length >= sessions && shards.size >= open.at(-1)!.shard[1] ? true : undefined
      }
      await readiness.until(
        isReady,
        timeoutMs,
        () =>
          `${connected().length} of ${sessions} gateway sessions were open after ${timeoutMs} ms: check that the bot logs in`,
      )
    },
    connected: () => connected().length,
    drop() {
      for (const { socket } of connected()) socket?.terminate()
    },
    reconnect() {
      for (const { socket } of connected()) socket?.send('{"op":7,"d":null}')
    },
    invalidate(resumable) {
      for (const session of connected()) {
        session.socket?.send(JSON.stringify({ op: 9, d: resumable }))
        if (!resumable) sessions.delete(session.id)
      }
    },
    refuse(on) {
      refusing = on
    },
    close(code, shard) {
      const closing = connected().filter((session) => shard === undefined || session.shard[0] === shard)
      for (const { socket } of closing) socket?.close(code)
    },
    closeOnIdentify(code) {
      identifyCloseCode = code
    },
    ignoreHeartbeats(on) {
      ignoringHeartbeats = on
    },
    handshakes,
    refusedIdentifies,
    attempts,
    stop() {
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
    },
  }
}

function parse(text: string): { op: number; d: Json } | undefined {
  try {
    const message = JSON.parse(text)
    return typeof message?.op === 'number' ? message : undefined
  } catch {
    return undefined
  }
}

function shardOf(guildId: string | null | undefined, count: number): number {
  return guildId ? Number((BigInt(guildId) >> 22n) % BigInt(count)) : 0
}
