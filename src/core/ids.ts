/** Ids of rows. */
import { createHmac } from 'node:crypto'
import { type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { generations } from '../db/schema/generations.ts'
import { AppError } from './errors.ts'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const short = /^[0-9a-f]{8}$/i

/** Ids are of the database's uuid type; it rejects any other text. */
export const isId = (id: string) => uuid.test(id)

/** 'discord' and '123' of 'discord:123', the form of identities, addresses and charges. */
export function splitName(name: string): { platform: string; id: string } {
  const colon = name.indexOf(':')
  return { platform: name.slice(0, colon), id: name.slice(colon + 1) }
}

/** The part of a request's id that captions show: its last eight digits, which are random. */
export const shortId = (id: string) => id.slice(-8)

/** When a row was made, in Unix milliseconds, because ids (uuid v7) begin with their time. */
export const timeOf = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)

/** The lowest id that a request of this time can have, because ids (uuid v7) begin with their time. */
export function lowestIdAt(time: number): string {
  const hex = Math.max(0, Math.floor(time)).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}

/**
 * Stands for a call's key in rows that outlive accounts: the key itself may hold the id of the person or of the chat. It is an HMAC,
 * because such ids are short numbers.
 */
export const callHash = ({ secretKey }: { secretKey: Buffer }, key: string): string =>
  createHmac('sha256', secretKey).update(`call\n${key}`).digest('hex')

const columns = columnsOf({ id: generations.id })

/** Finds a request of any account, for administrators. undefined: there is none. Throws AppError ambiguous: several have this short id. */
export async function findAnyRequest(
  { database }: { database: Pick<Database, 'rows'> },
  written: string,
): Promise<string | undefined> {
  const matches = matching(written)
  if (!matches) return undefined
  const rows = await readRows(
    database,
    columns,
    (list) => sql`select ${list} from generations where ${matches} limit 2`,
  )
  if (rows.length > 1) throw new AppError('ambiguous', { name: written })
  return rows[0]?.id
}

/** Whether a text can name a request. */
export const namesRequest = (written: string) => isId(written) || short.test(written) || written.startsWith('#')

/** Finds a request of this account by its id or short id; '#' may precede it. undefined: there is none. */
export async function findRequest(
  { database }: { database: Pick<Database, 'rows'> },
  userId: string,
  written: string,
): Promise<string | undefined> {
  const matches = matching(written)
  if (!matches) return undefined
  const [row] = await readRows(
    database,
    columns,
    (list) => sql`
      select ${list} from generations
      where ${matches} and user_id = ${userId}::uuid and erased_at is null
      order by id desc limit 1`,
  )
  return row?.id
}

/** undefined: it is no id. */
function matching(written: string): SQL | undefined {
  const name = written.trim().replace(/^#/, '').toLowerCase()
  if (isId(name)) return sql`id = ${name}::uuid`
  return short.test(name) ? sql`right(id::text, 8) = ${name}` : undefined
}
