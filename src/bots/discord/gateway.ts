/** The line on which Discord tells us what people do. */

import { setTimeout as pause } from 'node:timers/promises'
import {
  type APIInteraction,
  Client,
  Events,
  GatewayCloseCodes,
  GatewayDispatchEvents,
  GatewayIntentBits,
  type GatewayMessageCreateDispatchData,
  Options,
  Status,
} from 'discord.js'
import { type DiscordLog, reasonOf } from './api.ts'

export interface GatewayOptions {
  token: string
  apiUrl: string
  log: DiscordLog
  onInteraction: (interaction: APIInteraction) => void
  onMessage: (message: GatewayMessageCreateDispatchData) => void
}

export interface Gateway {
  /** Resolves when Discord has accepted us, however long that takes; rejects when it never will, or after `close`. */
  open(): Promise<{ applicationId: string }>
  /** Once open. */
  botId(): string
  notReady(): string | undefined
  close(): Promise<void>
}

const restTimeoutMs = 15_000
const retryInMs = { first: 1_000, most: 30_000 }

export function createGateway(options: GatewayOptions): Gateway {
  const closing = new AbortController()
  let client: Client | undefined
  /** Why it will not come back. */
  let over: string | undefined

  async function open() {
    for (let waitMs = retryInMs.first; ; waitMs = Math.min(2 * waitMs, retryInMs.most)) {
      const current = connection(options, (reason) => {
        over = reason
      })
      client = current
      try {
        await current.login(options.token)
        return { applicationId: current.application?.id ?? current.user?.id ?? '' }
      } catch (error) {
        const reason = over ?? fatalReason(error)
        if (reason || closing.signal.aborted) throw new Error(reason ?? 'stopped')
        options.log.warn({ reason: reasonOf(error), retryInMs: waitMs }, 'Discord cannot be reached')
      }
      await pause(waitMs, undefined, { signal: closing.signal })
    }
  }

  return {
    open,
    botId: () => client?.user?.id ?? '',
    notReady() {
      if (over) return over
      const shards = [...(client?.ws.shards.values() ?? [])]
      const isLive = ({ status }: { status: Status }) => status === Status.Ready || status === Status.WaitingForGuilds
      return shards.length > 0 && shards.every(isLive) ? undefined : 'not connected to the Discord gateway'
    },
    async close() {
      closing.abort()
      await client?.destroy()
    },
  }
}

function connection(
  { token: _token, apiUrl, log, onInteraction, onMessage }: GatewayOptions,
  lost: (why: string) => void,
) {
  const client = new Client({
    // none of them privileged: Discord shows us direct messages and those that name us
    intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages, GatewayIntentBits.DirectMessages],
    shards: 'auto',
    allowedMentions: { parse: [] },
    makeCache: Options.cacheWithLimits({
      MessageManager: 0,
      PresenceManager: 0,
      ReactionManager: 0,
      VoiceStateManager: 0,
      StageInstanceManager: 0,
      GuildEmojiManager: 0,
      GuildStickerManager: 0,
      GuildMemberManager: { maxSize: 0, keepOverLimit: (member) => member.id === member.client.user.id },
      UserManager: { maxSize: 0, keepOverLimit: (user) => user.id === user.client.user.id },
    }),
    rest: { api: apiUrl.replace(/\/+$/, ''), timeout: restTimeoutMs, retries: 1 },
  })
  client.on(Events.Error, (error) => log.error({ reason: reasonOf(error) }, 'the Discord client failed'))
  client.on(Events.ShardError, (error, shard) => log.warn({ shard, reason: reasonOf(error) }, 'the gateway failed'))
  // the library tries twice a second: said once for each time away
  const away = new Set<number>()
  client.on(Events.ShardReconnecting, (shard) => {
    if (!away.has(shard)) log.info({ shard }, 'connecting to the Discord gateway again')
    away.add(shard)
  })
  client.on(Events.ShardReady, (shard) => away.delete(shard))
  client.on(Events.ShardResume, (shard) => away.delete(shard))
  client.on(Events.ShardDisconnect, ({ code }, shard) => {
    const why = `Discord closed the gateway for good: ${code} ${GatewayCloseCodes[code] ?? ''}`
    log.error({ shard, code }, why)
    lost(code === GatewayCloseCodes.AuthenticationFailed ? tokenRefused : why)
  })
  // the raw events: the library's own come only after all guilds did, which may take longer than Discord's 3 seconds
  client.ws.on(GatewayDispatchEvents.InteractionCreate, onInteraction)
  client.ws.on(GatewayDispatchEvents.MessageCreate, onMessage)
  return client
}

const tokenRefused = 'Discord refuses DISCORD_TOKEN: copy it again from discord.com/developers → your application → Bot'

function fatalReason(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'TokenInvalid' ? tokenRefused : undefined
}
