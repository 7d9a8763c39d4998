/**
 * What providers tell our webhooks, and how it reaches the worker that waits for it: through the row, and a notification
 * that only says "look now". One that is missed costs a little time, nothing else.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import type { Json } from '../../db/json.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'

const channel = 'fluxbot_told'

export interface News {
  /** From now on nothing that is told about the generation is missed, until `end`. */
  follow(id: string): Following
  stop(): Promise<void>
}

export interface Following {
  /** Waits so long, or until there is news; resolves to whether there was. Rejects when aborted. */
  wait(ms: number, signal: AbortSignal): Promise<boolean>
  end(): void
}

export async function listenForNews(database: Database): Promise<News> {
  const followed = new Map<string, () => void>()
  const unlisten = await database.listen(channel, (id) => followed.get(id)?.())
  return {
    follow(id) {
      let heard = false
      let wake: (() => void) | undefined
      const tell = () => {
        heard = true
        wake?.()
      }
      followed.set(id, tell)
      return {
        async wait(ms, signal) {
          if (!heard) {
            const woken = new AbortController()
            wake = () => woken.abort()
            await sleep(ms, undefined, { signal: AbortSignal.any([signal, woken.signal]) }).catch(() => undefined)
          }
          signal.throwIfAborted()
          const news = heard
          heard = false
          return news
        },
        end: () => {
          if (followed.get(id) === tell) followed.delete(id)
        },
      }
    },
    stop: unlisten,
  }
}

/** Part of the webhook's address: whoever does not know it has nothing to tell us about this generation. */
export function hookToken(secretKey: Buffer, id: string): string {
  return createHmac('sha256', secretKey).update(`hook\n${id}`).digest('base64url').slice(0, 32)
}

export interface HookCall {
  provider: string
  id: string
  token: string
  headers: Readonly<Record<string, string | undefined>>
  body: Buffer
}

/** Keeps the first that is told about a generation; anything later changes nothing. Throws AppError forged. */
export async function receiveNews(core: Core, { provider, id, token, headers, body }: HookCall): Promise<void> {
  const wanted = Buffer.from(hookToken(core.secretKey, id))
  const given = Buffer.from(token)
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw new AppError('forged')
  const receive = core.providers.get(provider)?.provider.receive
  if (!receive) throw new AppError('forged')
  const message = await receive({ headers, body })
  await core.database.rows(sql`
    with told as (
      update generations set told = ${JSON.stringify(message)}::jsonb
      where id::text = ${id} and provider = ${provider} and state = 'running' and told is null returning id)
    select pg_notify(${channel}, id::text) from told`)
}

export async function readTold(core: Core, id: string): Promise<Json | undefined> {
  const [row] = await core.database.rows<{ told: Json | null }>(sql`select told from generations where id = ${id}`)
  return row?.told ?? undefined
}
