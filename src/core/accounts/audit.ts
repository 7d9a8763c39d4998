/** Records what administrators change, in the statement that changes it, once for each call. */
import { SQL, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Json } from '../../db/json.ts'

export interface AdminAct {
  /** The identity that acts, or 'cli'. */
  actor: string
  /** 'ban', 'price', … */
  action: string
  /** Account, generation, model or code that it is about. */
  target: string
  /** Of the call, as a hash (`callHash`), because the row stays: the same call again adds no row. */
  key: string
}

/** An act whose caller does not repeat it, such as a request of the API. */
export const actOnce = (actor: string, action: string, target: string): AdminAct => ({
  actor,
  action,
  target,
  key: `${action}:${uuidv7()}`,
})

/** An administrator who acts on a request that may be another person's. An act on their own leaves no row. */
export interface ActOnRequest extends Pick<AdminAct, 'actor' | 'key'> {
  userId: string
}

/** The same for an act whose caller does not repeat it. */
export const actOnRequestOnce = (actor: string, userId: string): ActOnRequest => ({ actor, userId, key: uuidv7() })

/**
 * Records that an administrator changed the request of another person. `rows`: the CTE with the changed rows of `generations`, or
 * none. undefined: no administrator acts.
 */
export function auditedOn(
  rows: SQL,
  { act, action, target }: { act: ActOnRequest | undefined; action: string; target: string },
  change: Pick<Audited, 'before' | 'after'>,
): SQL {
  if (!act) return sql`select`
  const { userId, actor, key } = act
  return audited(
    { actor, key: `${action}:${key}`, action, target },
    { ...change, from: sql`from ${rows} changed where changed.user_id <> ${userId}::uuid` },
  )
}

export interface Audited {
  /** A value, or an expression of type jsonb. Absent: there was nothing. */
  before?: Json | SQL
  /** As `before`. Absent: there is nothing any more. */
  after?: Json | SQL
  /** `from … where …`, or `where …` alone, that finds what is changed. No row: nothing is recorded. Absent: always one row. */
  from?: SQL
}

/**
 * Inserts the row of the audit log and returns its `id`. It is a CTE of the statement that makes the change, and the change depends
 * on it: a repeated call, also in another process at the same time, then neither writes nor changes anything.
 *
 *   with noted as (${audited(act, { before: sql`to_jsonb(name)`, after: name, from: sql`from users where id = ${id}` })})
 *   update users set name = ${name} where id = ${id} and exists (select from noted)
 */
export function audited({ actor, action, target, key }: AdminAct, { before, after, from = sql`` }: Audited): SQL {
  return sql`insert into audit_log (actor, action, target, before, after, key)
    select ${actor}::text, ${action}::text, ${target}::text, ${jsonb(before)}, ${jsonb(after)}, ${key}::text ${from}
    on conflict (key) do nothing returning id`
}

function jsonb(value: Json | SQL | undefined): SQL {
  if (value instanceof SQL) return value
  return sql`${value === undefined || value === null ? null : JSON.stringify(value)}::jsonb`
}
