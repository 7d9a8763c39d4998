/** Links to archives of what is kept about a person. A link opens one archive, which is made while it is downloaded. */
import { createHash, createHmac } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../../db/columns.ts'
import { privacyExports } from '../../db/schema/accounts.ts'
import type { Core } from '../core.ts'

export const exportHours = 24

const tokenForm = /^[\w-]{43}$/
const columns = columnsOf({ userId: privacyExports.userId })

/** Resolves to the link. `callKey`: the same call again gets the same link. Earlier links of the account end. */
export async function createExportLink(core: Core, userId: string, callKey: string): Promise<string> {
  const token = createHmac('sha256', core.secretKey).update(`export link\n${callKey}`).digest('base64url')
  const hash = hashOf(token)
  await core.database.rows(sql`
    with earlier as (delete from privacy_exports where user_id = ${userId}::uuid and hash <> ${hash})
    insert into privacy_exports (hash, user_id, expires_at)
    values (${hash}, ${userId}::uuid, now() + make_interval(hours => ${exportHours}::int)) on conflict (hash) do nothing`)
  return `${core.publicUrl}/exports/${token}`
}

/** Resolves to the account. undefined: the link has expired, or never existed. */
export async function findExport({ database }: Pick<Core, 'database'>, token: string): Promise<string | undefined> {
  if (!tokenForm.test(token)) return undefined
  const [row] = await readRows(
    database,
    columns,
    (list) => sql`select ${list} from privacy_exports where hash = ${hashOf(token)} and expires_at > now()`,
  )
  return row?.userId
}

/** For the sweeper. */
export async function forgetOldExports({ database }: Pick<Core, 'database'>): Promise<void> {
  await database.rows(sql`delete from privacy_exports where expires_at < now()`)
}

const hashOf = (token: string) => createHash('sha256').update(token).digest('hex')
