/** Browsers that are signed in to the page: with an API key, with a link from `/panel`, or as administrator. */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { and, eq, gt, inArray, isNull, lt, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Database } from '../../db/database.ts'
import { apiKeys, identities, panelLinks, webSessions } from '../../db/schema/accounts.ts'
import type { Core } from '../core.ts'
import type { Identity } from '../ports/chat.ts'
import { apiKeyHash } from './api-keys.ts'

/** The page needs them before there is a core. */
export type SessionParts = Pick<Core, 'database' | 'secretKey'>

export interface Session {
  identity: string
  /** Absent: a browser signed in as administrator, which has no identity row before its first request. */
  person?: Identity
}

/** The key that opened a session. The session ends when the key does. */
interface Origin {
  apiKeyId?: string
  /** API_KEY when the session was opened. */
  operatorKey?: string
}

const sessionDays = 90
export const panelMinutes = 10

const tokenForm = /^[\w-]{43}$/

/** Resolves to the token for the browser's cookie. */
export async function openSession(parts: SessionParts, identity: string, origin: Origin = {}): Promise<string> {
  const token = randomBytes(32).toString('base64url')
  await parts.database.db.insert(webSessions).values({
    hash: hmac(parts, `session ${token}`),
    identity,
    apiKeyId: origin.apiKeyId,
    operatorKey: origin.operatorKey === undefined ? undefined : operatorKeyMark(parts, origin.operatorKey),
    expiresAt: sql`now() + make_interval(days => ${sessionDays}::int)`,
  })
  return token
}

const columns = columnsOf({
  identity: webSessions.identity,
  operatorKey: webSessions.operatorKey,
  id: typed<string | null>(identities.id),
  name: identities.name,
  handle: identities.handle,
})

interface Presented {
  token: string
  /** API_KEY as it is now. */
  operatorKey?: string
}

/** Resolves to undefined when the session is over, or there never was one. */
export async function readSession(
  parts: SessionParts,
  { token, operatorKey }: Presented,
): Promise<Session | undefined> {
  if (!tokenForm.test(token)) return undefined
  const [row] = await readRows(
    parts.database,
    columns,
    (list) => sql`
      select ${list} from web_sessions
      left join identities on identities.id = web_sessions.identity
      left join api_keys on api_keys.id = web_sessions.api_key_id
      where web_sessions.hash = ${hmac(parts, `session ${token}`)} and web_sessions.expires_at > now()
        and (web_sessions.api_key_id is null or api_keys.revoked_at is null)`,
  )
  if (!row) return undefined
  const { identity, id, name, handle } = row
  const byKey = row.operatorKey
  if (byKey !== null && (operatorKey === undefined || byKey !== operatorKeyMark(parts, operatorKey))) return undefined
  if (id === null) return identity.startsWith('web:') ? { identity } : undefined
  return { identity, person: { id, name, handle: handle ?? undefined } }
}

export async function closeSession(parts: SessionParts, token: string): Promise<void> {
  await parts.database.db.delete(webSessions).where(eq(webSessions.hash, hmac(parts, `session ${token}`)))
}

/** Signs out all browsers of an account, and ends its links. Resolves to the number of browsers. */
export async function closeSessionsOf({ database }: Pick<Core, 'database'>, userId: string): Promise<number> {
  const own = database.db.select({ id: identities.id }).from(identities).where(eq(identities.userId, userId))
  await database.db.delete(panelLinks).where(inArray(panelLinks.identity, own))
  const closed = await database.db
    .delete(webSessions)
    .where(inArray(webSessions.identity, own))
    .returning({ hash: webSessions.hash })
  return closed.length
}

/** Whom an API key signs in. A key with limits signs in no browser, which would lift the limits. */
export type KeyOwner = { keyId: string; identity: string } | 'limited'

/** `admins`: an account with several identities acts by the one with the most rights. Resolves to undefined for a wrong key. */
export async function findKeyOwner(
  { database }: Pick<Core, 'database'>,
  { key, admins }: { key: string; admins: ReadonlySet<string> },
): Promise<KeyOwner | undefined> {
  const found = await database.db
    .select({ keyId: apiKeys.id, identity: identities.id, cap: apiKeys.monthlyCap, models: apiKeys.models })
    .from(apiKeys)
    .innerJoin(identities, eq(identities.userId, apiKeys.userId))
    .where(and(eq(apiKeys.hash, apiKeyHash(key)), isNull(apiKeys.revokedAt)))
    .orderBy(identities.createdAt)
  const owner = found.find(({ identity }) => admins.has(identity)) ?? found[0]
  if (!owner) return undefined
  return owner.cap === null && owner.models === null ? { keyId: owner.keyId, identity: owner.identity } : 'limited'
}

/** Resolves to the token of a link. `callKey`: the same call again gets the same link. */
export async function createPanelLink(parts: SessionParts, identity: string, callKey: string): Promise<string> {
  const token = createHmac('sha256', parts.secretKey).update(`panel link\n${callKey}`).digest('base64url')
  await parts.database.db
    .insert(panelLinks)
    .values({
      hash: sha256(token),
      identity,
      expiresAt: sql`now() + make_interval(mins => ${panelMinutes}::int)`,
    })
    .onConflictDoNothing()
  return token
}

/** Resolves to the identity that made the link. undefined: the link was used, is too old, or never existed. */
export async function usePanelLink({ database }: Pick<Core, 'database'>, token: string): Promise<string | undefined> {
  if (!tokenForm.test(token)) return undefined
  const [used] = await database.db
    .update(panelLinks)
    .set({ usedAt: sql`now()` })
    .where(and(eq(panelLinks.hash, sha256(token)), isNull(panelLinks.usedAt), gt(panelLinks.expiresAt, sql`now()`)))
    .returning({ identity: panelLinks.identity })
  return used?.identity
}

export async function forgetOldSessions(database: Database): Promise<void> {
  await database.db.delete(webSessions).where(lt(webSessions.expiresAt, sql`now()`))
  await database.db.delete(panelLinks).where(lt(panelLinks.expiresAt, sql`now()`))
}

/** API_KEY may be a word that a person chose, so its plain hash could be guessed. */
const operatorKeyMark = (parts: SessionParts, key: string) => hmac(parts, `operator key ${key}`)

const hmac = ({ secretKey }: SessionParts, text: string) => createHmac('sha256', secretKey).update(text).digest('hex')
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
