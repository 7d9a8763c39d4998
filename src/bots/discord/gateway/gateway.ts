/** The connection to Discord's gateway, on which interactions and messages arrive. */
import { setTimeout as pause } from 'node:timers/promises'
import { DiscordAPIError, REST } from '@discordjs/rest'
import {
  type SessionInfo,
  SimpleShardingStrategy,
  WebSocketManager,
  WebSocketShard,
  WebSocketShardEvents,
} from '@discordjs/ws'
import {
  type APIInteraction,
  GatewayCloseCodes,
  GatewayDispatchEvents,
  GatewayIntentBits,
  type GatewayMessageCreateDispatchData,
  GatewayOpcodes,
} from 'discord-api-types/v10'
import type { Database } from '../../../db/database.ts'
import { isPurchase, type PurchaseEvent } from '../purchases/events.ts'
import { type DiscordLog, reasonOf, tokenRefused, withoutTrailingSlash } from '../rest/api.ts'
import { shareIdentifies } from './identify.ts'

export interface GatewayOptions {
  token: string
  apiUrl: string
  log: DiscordLog
  onInteraction: (interaction: APIInteraction) => void
  onMessage: (message: GatewayMessageCreateDispatchData) => void
  onPurchase: (event: PurchaseEvent) => void
  /** All processes of the bot share it, and take turns in identifying. */
  database: Database
  /** The shards of this process, out of `count` in all processes. Absent: all that Discord recommends. */
  shards?: ShardRange
  /** Milliseconds between checks that connections are alive. Default 10 s. */
  probeMs?: number
}

export interface ShardRange {
  /** First and last, from 0. */
  first: number
  last: number
  count: number
}

export interface Gateway {
  /** Resolves once every shard is ready, however long that takes. Rejects if Discord refuses us for good, and after `close`. */
  open(): Promise<{ applicationId: string }>
  /** User id of the bot. Empty until the first shard is ready. */
  botId(): string
  /** Why events cannot arrive at the moment. Absent: every shard is ready. */
  notReady(): string | undefined
  close(): Promise<void>
}

interface Shard {
  /** 'connecting': its socket is being opened. 'connected': it identifies or resumes. */
  state: 'disconnected' | 'connecting' | 'connected' | 'ready'
  session: SessionInfo | null
  /** Connections lost or not established since the shard was last ready. */
  failures: number
  /** What the socket reported before it closed. */
  reason?: string
  /** It has not answered the latest check. */
  unanswered?: boolean
}

// none is privileged: Discord sends direct messages, and the content of messages that mention the bot; purchase events need no intent
const intents = GatewayIntentBits.Guilds | GatewayIntentBits.GuildMessages | GatewayIntentBits.DirectMessages

const restTimeoutMs = 15_000
const handshakeTimeoutMs = 10_000
/** From opening the socket to Discord's first message on it. */
const helloTimeoutMs = 15_000
const closeTimeoutMs = 5_000
/** Discord's own heartbeats come every 41 s, so that a dead connection would be noticed after up to 82 s. */
const usualProbeMs = 10_000
const retryMs = { first: 1_000, most: 15_000 }

export function createGateway(options: GatewayOptions): Gateway {
  const { token, apiUrl, log, shards: range, probeMs = usualProbeMs } = options
  const closing = new AbortController()
  const closed = rejectionOf(closing.signal)
  const shards = new Map<number, Shard>()
  const bot = { applicationId: '', userId: '' }
  /** Why Discord will not accept another connection. */
  let refused: string | undefined

  let strategy: SimpleShardingStrategy | undefined
  const manager = new WebSocketManager({
    token,
    intents,
    rest: new REST({
      api: withoutTrailingSlash(apiUrl),
      timeout: restTimeoutMs,
      // `open` retries, with pauses of its own instead of those that a server chooses
      retries: 0,
      rejectOnRateLimit: () => true,
      hashSweepInterval: 0,
      handlerSweepInterval: 0,
    }).setToken(token),
    shardCount: range?.count ?? null,
    shardIds: range ? { start: range.first, end: range.last } : null,
    buildStrategy(of) {
      strategy = new SimpleShardingStrategy(of)
      return strategy
    },
    async buildIdentifyThrottler(of) {
      const { session_start_limit: limit } = await of.fetchGatewayInformation()
      return shareIdentifies({ database: options.database, token, maxConcurrency: limit.max_concurrency, log })
    },
    handshakeTimeout: handshakeTimeoutMs,
    helloTimeout: helloTimeoutMs,
    // the library's default keeps the sessions of all managers of the process in one map
    async retrieveSessionInfo(id) {
      const shard = shardOf(id)
      await turnToConnect(shard)
      return shard.session
    },
    updateSessionInfo(id, session) {
      shardOf(id).session = session
    },
  })

  manager.on(WebSocketShardEvents.Hello, (id) => {
    shardOf(id).state = 'connected'
  })
  // at READY, not once all guilds have arrived: interactions come before them and expire after 3 s
  manager.on(WebSocketShardEvents.Ready, ({ application, user }, id) => {
    Object.assign(bot, { applicationId: application.id, userId: user.id })
    becomeReady(id)
  })
  manager.on(WebSocketShardEvents.Resumed, becomeReady)
  manager.on(WebSocketShardEvents.HeartbeatComplete, (_stats, id) => {
    shardOf(id).unanswered = false
  })
  manager.on(WebSocketShardEvents.Dispatch, (payload) => {
    if (payload.t === GatewayDispatchEvents.InteractionCreate) options.onInteraction(payload.d)
    if (payload.t === GatewayDispatchEvents.MessageCreate) options.onMessage(payload.d)
    if (isPurchase(payload)) options.onPurchase(payload)
  })
  manager.on(WebSocketShardEvents.SocketError, (error, id) => {
    shardOf(id).reason = reasonOf(error)
  })
  manager.on(WebSocketShardEvents.Closed, disconnected)
  manager.on(WebSocketShardEvents.Error, (error, id) => {
    // the library repeats here what `disconnected` has logged
    if (!refused) log.error({ shard: id, reason: reasonOf(error) }, 'the Discord gateway client failed')
  })

  function shardOf(id: number): Shard {
    const shard: Shard = shards.get(id) ?? { state: 'disconnected', session: null, failures: 0 }
    shards.set(id, shard)
    return shard
  }

  /**
   * The library asks for the session before it opens a socket, and does so 500 ms after each failure, even after `close`.
   * Waiting here makes the pauses grow, from the second failure on. Never returning stops the attempts after `close`.
   */
  async function turnToConnect(shard: Shard): Promise<void> {
    if (shard.state === 'disconnected') {
      await pause(retryPauseMs(shard.failures - 1), undefined, { signal: closing.signal }).catch(() => undefined)
      if (!closing.signal.aborted) shard.state = 'connecting'
    }
    if (closing.signal.aborted) await new Promise(() => undefined)
  }

  /** Each connection that is ready gets a heartbeat of ours. One that has not answered the last one is dead: it is replaced. */
  const probing = setInterval(() => {
    for (const [id, shard] of shards) if (shard.state === 'ready') probe(id, shard)
  }, probeMs).unref()

  function probe(id: number, shard: Shard): void {
    if (shard.unanswered) {
      log.warn({ shard: id }, 'the Discord gateway does not answer; reconnecting')
      if (strategy) terminate(strategy, id)
      return
    }
    shard.unanswered = true
    const heartbeat = { op: GatewayOpcodes.Heartbeat, d: shard.session?.sequence ?? null } as const
    Promise.resolve(manager.send(id, heartbeat)).catch(() => undefined)
  }

  function becomeReady(id: number): void {
    const shard = shardOf(id)
    if (shard.failures > 0) log.info({ shard: id, attempts: shard.failures }, 'reconnected to the Discord gateway')
    Object.assign(shard, { state: 'ready', failures: 0, unanswered: false })
  }

  function disconnected(code: number, id: number): void {
    const shard = shardOf(id)
    const { state, reason, failures } = shard
    Object.assign(shard, { state: 'disconnected', reason: undefined, failures: failures + 1 })
    if (closing.signal.aborted || refused) return
    refused = refusalOf(code)
    if (refused) log.error({ shard: id, code }, refused)
    // logged once, not for each attempt
    else if (state === 'ready')
      log.info({ shard: id, code, reason }, 'disconnected from the Discord gateway; reconnecting')
    else if (failures === 0)
      log.warn({ shard: id, code, reason }, 'could not connect to the Discord gateway; trying again')
  }

  async function open(): Promise<{ applicationId: string }> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        for (const id of await Promise.race([manager.getShardIds(), closed])) shardOf(id)
        await Promise.race([manager.connect(), closed])
        return { applicationId: bot.applicationId }
      } catch (error) {
        if (closing.signal.aborted) throw error
        if (isUnauthorized(error)) refused = tokenRefused
        if (refused) throw new Error(refused)
        const retryInMs = retryPauseMs(attempt)
        log.warn({ reason: reasonOf(error), retryInMs }, 'could not reach Discord; retrying')
        await Promise.race([pause(retryInMs, undefined, { signal: closing.signal }), closed])
      }
    }
  }

  /**
   * The library forgets a socket that is still being opened: it would stay open, or end the process with an error that is
   * not listened for. So that is awaited first.
   */
  async function disconnect(): Promise<void> {
    while ([...shards.values()].some(({ state }) => state === 'connecting')) await pause(50)
    await manager.destroy({ reason: 'fluxbot stops' })
  }

  return {
    open,
    botId: () => bot.userId,
    notReady() {
      if (refused) return refused
      const all = [...shards.values()]
      const isReady = !closing.signal.aborted && all.length > 0 && all.every(({ state }) => state === 'ready')
      return isReady ? undefined : 'not connected to the Discord gateway'
    },
    async close() {
      closing.abort()
      clearInterval(probing)
      const deadline = new AbortController()
      const expired = pause(closeTimeoutMs, undefined, { signal: deadline.signal }).catch(() => undefined)
      await Promise.race([disconnect(), expired])
      deadline.abort()
    },
  }
}

/**
 * Cuts a connection, without the 30 s for which a closing handshake waits: the library then resumes. It has no function for
 * one shard alone. Should its fields change, it notices the dead connection by its own heartbeats, later.
 */
function terminate(strategy: SimpleShardingStrategy, id: number): void {
  const all: unknown = Reflect.get(strategy, 'shards')
  const shard: unknown = all instanceof Map ? all.get(id) : undefined
  const connection: unknown = shard instanceof WebSocketShard ? Reflect.get(shard, 'connection') : undefined
  const cut: unknown = connection instanceof Object ? Reflect.get(connection, 'terminate') : undefined
  if (typeof cut === 'function') cut.call(connection)
}

/** 1 s after the first failure, then twice as long each time. */
function retryPauseMs(failures: number): number {
  return failures < 1 ? 0 : Math.min(retryMs.first * 2 ** (failures - 1), retryMs.most)
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  const rejection = new Promise<never>((_resolve, reject) => {
    const error = new Error('the gateway was closed before Discord accepted the connection')
    signal.addEventListener('abort', () => reject(error), { once: true })
  })
  rejection.catch(() => undefined)
  return rejection
}

/** Discord takes the token with GET /gateway/bot before the gateway does. */
function isUnauthorized(error: unknown): boolean {
  return error instanceof DiscordAPIError && error.status === 401
}

const moreShards =
  'restart fluxbot, which then asks Discord for the number of shards again; if SHARDS is set, first raise the number after its slash'
const cures: Readonly<Partial<Record<number, string>>> = {
  [GatewayCloseCodes.InvalidShard]: moreShards,
  [GatewayCloseCodes.ShardingRequired]: moreShards,
  [GatewayCloseCodes.InvalidAPIVersion]: 'update fluxbot',
  [GatewayCloseCodes.InvalidIntents]: 'update fluxbot',
  [GatewayCloseCodes.DisallowedIntents]:
    'allow them at discord.com/developers → your application → Bot → Privileged Gateway Intents, then restart fluxbot',
}

/** A sentence for the close codes after which Discord accepts no other attempt. undefined: reconnecting makes sense. */
function refusalOf(code: number): string | undefined {
  if (code === GatewayCloseCodes.AuthenticationFailed) return tokenRefused
  const cure = cures[code]
  return cure && `Discord closed the gateway for good (${code} ${GatewayCloseCodes[code]}): ${cure}`
}
