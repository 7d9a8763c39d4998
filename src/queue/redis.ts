/** Connections to Redis: to one server, to a cluster, or to the primary that sentinels name. */
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'

export interface RedisAddress {
  /** One address, or those of the cluster's nodes or of the sentinels, separated by commas. */
  redisUrl: string
  cluster?: boolean
  /** Name of the primary. Absent: the addresses are not those of sentinels. */
  sentinel?: string
}

export type RedisConnection = Redis | Cluster

const common = {
  connectTimeout: 5_000,
  keepAlive: 10_000,
  // after a failover the name of the server leads to the new primary, but only a new connection follows it
  reconnectOnError: ({ message }: Error) => message.startsWith('READONLY'),
} satisfies RedisOptions

const waitFor = (times: number) => Math.min(50 * 2 ** Math.min(times, 5), 1_000)

/** `rejects`: a command fails within seconds while Redis is away. Otherwise it waits until Redis is back. */
export function connectRedis(address: RedisAddress, { rejects }: { rejects: boolean }): RedisConnection {
  const options: RedisOptions = rejects
    ? { ...common, maxRetriesPerRequest: 1, commandTimeout: 2_000 }
    : { ...common, maxRetriesPerRequest: null }
  const enableOfflineQueue = !rejects
  const [first] = serversOf(address)
  if (address.cluster && first)
    return new Cluster(serversOf(address), clusterOptions(first, options, enableOfflineQueue))
  const single = { ...options, enableOfflineQueue, retryStrategy: waitFor }
  if (address.sentinel === undefined || !first) return new Redis(address.redisUrl, single)
  const { tls, db, username, password } = first
  return new Redis({
    ...single,
    name: address.sentinel,
    sentinels: serversOf(address),
    db,
    // Redis and its sentinels have the same password, or none
    ...{ username, password, sentinelUsername: username, sentinelPassword: password },
    ...{ tls, sentinelTLS: tls, enableTLSForSentinelMode: tls !== undefined },
    sentinelRetryStrategy: waitFor,
    // leaves a primary that hangs as soon as the sentinels have chosen another one
    failoverDetector: true,
  })
}

function clusterOptions(first: Server, options: RedisOptions, enableOfflineQueue: boolean): ClusterOptions {
  const { username, password, tls } = first
  return {
    redisOptions: { ...options, username, password, tls },
    enableOfflineQueue,
    clusterRetryStrategy: waitFor,
    slotsRefreshTimeout: 5_000,
    // a cluster with TLS names its nodes as their certificates do; an address would not match
    ...(tls && { dnsLookup: (host: string, done: (error: null, address: string) => void) => done(null, host) }),
  }
}

/** For the log and for errors: without user names and passwords. */
export function nameOf(address: RedisAddress): string {
  const hosts = serversOf(address).map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`)
  if (address.cluster) return `the cluster at ${hosts.join(', ')}`
  return address.sentinel ? `${address.sentinel} of the sentinels at ${hosts.join(', ')}` : hosts.join(', ')
}

interface Server {
  host: string
  port: number
  username?: string
  password?: string
  db: number
  tls?: object
}

function serversOf({ redisUrl, sentinel }: RedisAddress): Server[] {
  return redisUrl.split(',').map((part) => {
    const { protocol, hostname, port, username, password, pathname } = new URL(part.trim())
    return {
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port || (sentinel ? 26_379 : 6_379)),
      username: decodeURIComponent(username) || undefined,
      password: decodeURIComponent(password) || undefined,
      db: Number(pathname.slice(1) || 0),
      tls: protocol === 'rediss:' ? {} : undefined,
    }
  })
}

/** Waits for a Redis that starts a little later than we do, but rejects at once when waiting cannot help. */
export function becomesReady(redis: RedisConnection, withinMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, withinMs, new Error('timed out'))
    redis.once('ready', () => {
      clearTimeout(timer)
      resolve()
    })
    redis.on('error', (error: Error) => {
      if (!/WRONGPASS|NOAUTH|NOPERM|invalid password|cluster support disabled|certificate/i.test(reasonOf(error)))
        return
      clearTimeout(timer)
      reject(error)
    })
  })
}

/** A cluster wraps what the last of its nodes answered. */
export function reasonOf(error: Error & { lastNodeError?: Error }): string {
  return error.lastNodeError?.message || error.message || String((error as { code?: unknown }).code ?? error)
}

/** What to do about a failure at the start. */
export function cureFor(reason: string, { cluster, sentinel }: RedisAddress): string {
  if (/^MOVED|CROSSSLOT/.test(reason)) return 'It is a node of a cluster: set REDIS_CLUSTER=true.'
  if (/cluster support disabled/.test(reason)) return 'It is no cluster: remove REDIS_CLUSTER.'
  if (/certificate/i.test(reason))
    return 'Start fluxbot with NODE_EXTRA_CA_CERTS, in its environment, set to the file with the certificate of your authority.'
  if (/NOPERM/.test(reason)) return 'docs/operations.md has the rights that the user in REDIS_URL needs.'
  if (/READONLY|OOM|MISCONF/.test(reason)) return 'Check that REDIS_URL names a primary with free memory.'
  if (sentinel) return 'Check REDIS_URL, REDIS_SENTINEL, and that the sentinels know a primary of this name.'
  return cluster ? 'Check REDIS_URL and that the cluster is complete.' : 'Check REDIS_URL and that Redis is running.'
}
