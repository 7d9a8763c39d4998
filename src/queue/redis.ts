/** Connections to Redis: one that fails fast, for those who add, and one that waits, for those who work. */
import { Redis, type RedisOptions } from 'ioredis'

const patienceMs = 30_000

interface RedisLink {
  /** Rejects at once while Redis is away, so that whoever adds a job can answer. */
  producer: Redis
  /** Keeps commands until Redis is back, as BullMQ's workers need. Made on first use. */
  worker(): Redis
  notReady(): string | undefined
  disconnect(): void
}

export async function connectRedis(url: string, onError: (error: Error) => void): Promise<RedisLink> {
  const common: RedisOptions = {
    connectTimeout: 5_000,
    keepAlive: 10_000,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), 1_000),
  }
  const producer = new Redis(url, {
    ...common,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    commandTimeout: 2_000,
  })
  const where = `${producer.options.host}:${producer.options.port}`
  let reason = ''
  producer.on('error', (error: Error) => {
    reason = error.message
    onError(error)
  })
  try {
    await ready(producer)
  } catch {
    producer.disconnect()
    throw new Error(`Redis at ${where} cannot be reached: ${reason || 'no answer'}. Check REDIS_URL and that it runs.`)
  }

  let worker: Redis | undefined
  return {
    producer,
    worker() {
      worker ??= new Redis(url, { ...common, maxRetriesPerRequest: null }).on('error', onError)
      return worker
    },
    notReady() {
      return producer.status === 'ready' ? undefined : `Redis at ${where} cannot be reached (${producer.status}).`
    },
    disconnect() {
      producer.disconnect()
      worker?.disconnect()
    },
  }
}

/** Redis may come up a little after us; a wrong password never becomes right. */
function ready(redis: Redis): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, patienceMs, new Error('time is up'))
    redis.once('ready', () => {
      clearTimeout(timer)
      resolve()
    })
    redis.on('error', (error: Error) => {
      if (!/WRONGPASS|NOAUTH|NOPERM|invalid password/i.test(error.message)) return
      clearTimeout(timer)
      reject(error)
    })
  })
}
