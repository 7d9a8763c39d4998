/**
 * What Discord's shop sells for this app (SKUs), and the credits that administrators have set for each. Each process reads the rows, so a
 * change counts at once.
 */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../../db/columns.ts'
import { skus } from '../../../db/schema/billing.ts'
import { type AdminAct, audited } from '../../accounts/audit.ts'
import type { Core } from '../../core.ts'
import { AppError } from '../../errors.ts'
import { maxGrant } from '../ledger.ts'

/** SKUs that credits may be set for: those that Discord sells are buttons of one message. */
const maxSkus = 20

const columns = columnsOf({ id: skus.id, credits: skus.credits, kind: skus.kind, available: skus.available })

export type Sku = NonNullable<(typeof columns)['row']>

/** Those that were set, also to 0 credits; the least first. */
export const readSkus = ({ database }: Pick<Core, 'database'>): Promise<Sku[]> =>
  readRows(database, columns, (list) => sql`select ${list} from skus order by credits, id`)

/** Those whose purchases give credits. */
export const pricedSkus = async (core: Pick<Core, 'database'>): Promise<Sku[]> =>
  (await readSkus(core)).filter(({ credits }) => credits > 0)

/** 0 credits: purchases of it give nothing any more. Throws AppError bad_option. */
export async function saveSku(
  core: Core,
  act: Pick<AdminAct, 'actor' | 'key'>,
  { id, credits }: Pick<Sku, 'id' | 'credits'>,
): Promise<void> {
  if (!/^\d{17,20}$/.test(id)) {
    throw new AppError('bad_option', { name: 'sku', value: id, expected: '1019475255913222144' })
  }
  if (!Number.isInteger(credits) || credits < 0 || credits > maxGrant) {
    throw new AppError('bad_option', { name: 'amount', value: credits, type: 'integer', expected: `0–${maxGrant}` })
  }
  const others = (await pricedSkus(core)).filter((each) => each.id !== id)
  if (credits > 0 && others.length >= maxSkus) {
    throw new AppError('bad_option', { name: 'sku', value: id, expected: others.map((each) => each.id).join(', ') })
  }
  const before = sql`(select to_jsonb(credits) from skus where id = ${id})`
  const from = credits > 0 ? sql`` : sql`where exists (select from skus where id = ${id})`
  const noted = audited({ ...act, action: 'sku', target: id }, { before, after: credits, from })
  await core.database.rows(sql`
    with noted as (${noted}), forgotten as (delete from facts where name = ${unpricedFact(id)})
    insert into skus (id, credits) select ${id}, ${credits}::int from noted
    on conflict (id) do update set credits = excluded.credits, changed_at = now()`)
}

/** What Discord says about the SKUs of the app. Those that it does not list are not for sale. */
export async function noteListedSkus(
  { database }: Pick<Core, 'database'>,
  listed: readonly Pick<Sku, 'id' | 'kind' | 'available'>[],
): Promise<void> {
  await database.rows(sql`
    update skus set kind = coalesce(l.kind, skus.kind), available = coalesce(l.available, false)
    from skus s left join jsonb_to_recordset(${JSON.stringify(listed)}::jsonb) as l(id text, kind text, available boolean)
      on l.id = s.id
    where skus.id = s.id
      and (skus.kind, skus.available) is distinct from (coalesce(l.kind, skus.kind), coalesce(l.available, false))`)
}

const nameColumns = columnsOf({ name: typed<string>(sql`name`) })

/** Resolves to true once for each SKU without credits, in all processes together, until credits are set for it. */
export const noteUnpriced = (core: Pick<Core, 'database'>, id: string) => noteOnce(core, unpricedFact(id))

/** Resolves to true once for each entitlement, in all processes together. */
export const noteWithoutBuyer = (core: Pick<Core, 'database'>, id: string) =>
  noteOnce(core, `entitlement without a buyer: ${id}`)

async function noteOnce({ database }: Pick<Core, 'database'>, fact: string): Promise<boolean> {
  const noted = await readRows(
    database,
    nameColumns,
    (list) => sql`
      insert into facts (name, value) values (${fact}, '') on conflict (name) do nothing returning ${list}`,
  )
  return noted.length > 0
}

const unpricedFact = (id: string) => `sku without credits: ${id}`
