/**
 * Packages of credits that people buy with Telegram Stars: those declared here, unless administrators have changed them, and those that
 * they have added. Each process reads the rows, so a change counts at once.
 */
import { type SQL, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { columnsOf, readRows } from '../../db/columns.ts'
import { orders, packages } from '../../db/schema/billing.ts'
import { type AdminAct, audited } from '../accounts/audit.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { maxGrant } from './ledger.ts'

export interface Package {
  id: string
  credits: number
  /** Price in Telegram Stars. */
  stars: number
  active: boolean
}

/** What is for sale before an administrator changes it. Telegram pays about $0.013 for a Star. */
const declared: readonly Omit<Package, 'active'>[] = [
  { id: 'small', credits: 100, stars: 150 },
  { id: 'medium', credits: 300, stars: 420 },
  { id: 'large', credits: 1_000, stars: 1_300 },
]

/** In a statement, in place of the table: its columns are `id`, `credits`, `stars` and `active`. */
export const allPackages: SQL = sql`(
  select id, credits, stars, active from packages
  union all
  select d.id, d.credits, d.stars, true from jsonb_to_recordset(${JSON.stringify(declared)}::jsonb)
    as d(id text, credits int, stars int)
  where not exists (select from packages changed where changed.id = d.id))`

/** Of an invoice. */
const maxStars = 100_000
/** Packages that an administrator may have: each is a button. */
const maxPackages = 20
/** The currency of Telegram Stars, which has no smaller unit. */
export const starsCurrency = 'XTR'

const columns = columnsOf(
  {
    id: packages.id,
    credits: packages.credits,
    stars: packages.stars,
    active: packages.active,
  },
  'p',
)

/** The cheapest first, also those that are no longer sold. */
export const readPackages = ({ database }: Pick<Core, 'database'>): Promise<Package[]> =>
  readRows(database, columns, (list) => sql`select ${list} from ${allPackages} p order by stars, id`)

export const packagesForSale = async (core: Pick<Core, 'database'>): Promise<Package[]> =>
  (await readPackages(core)).filter(({ active }) => active)

type Act = Pick<AdminAct, 'actor' | 'key'>

/** Adds a package, or changes it and sells it again. Throws AppError bad_option. */
export async function savePackage(
  core: Core,
  act: Act,
  { id, credits, stars }: Omit<Package, 'active'>,
): Promise<void> {
  if (!/^[a-z0-9]{1,20}$/.test(id)) throw new AppError('bad_option', { name: 'id', value: id, expected: 'small, 500' })
  assertWithin('credits', credits, maxGrant)
  assertWithin('stars', stars, maxStars)
  const others = (await readPackages(core)).filter((each) => each.id !== id)
  if (others.length >= maxPackages) throw new AppError('bad_option', { name: 'id', value: id, expected: idsOf(others) })
  const after = sql`jsonb_build_object('credits', ${credits}::int, 'stars', ${stars}::int, 'active', true)`
  await core.database.rows(sql`
    with noted as (${noted(act, id, { after, from: sql`` })})
    insert into packages (id, credits, stars) select ${id}, ${credits}::int, ${stars}::int from noted
    on conflict (id) do update
    set credits = excluded.credits, stars = excluded.stars, active = true, changed_at = now()`)
}

/** Throws AppError bad_option if there is no such package. */
export async function switchPackage(
  core: Core,
  act: Act,
  { id, active }: Pick<Package, 'id' | 'active'>,
): Promise<void> {
  const all = await readPackages(core)
  if (!all.some((each) => each.id === id)) {
    throw new AppError('bad_option', { name: 'id', value: id, expected: idsOf(all) })
  }
  const after = sql`jsonb_build_object('credits', now.credits, 'stars', now.stars, 'active', ${active}::bool)`
  await core.database.rows(sql`
    with noted as (${noted(act, id, { after, from: sql`from ${allPackages} now where now.id = ${id}` })})
    insert into packages (id, credits, stars, active)
    select id, credits, stars, ${active}::bool from ${allPackages} p where id = ${id} and exists (select from noted)
    on conflict (id) do update set active = excluded.active, changed_at = now()`)
}

function noted(act: Act, id: string, { after, from }: { after: SQL; from: SQL }): SQL {
  const before = sql`(select jsonb_build_object('credits', credits, 'stars', stars, 'active', active)
    from ${allPackages} p where p.id = ${id})`
  return audited({ ...act, action: 'package', target: id }, { before, after, from })
}

function assertWithin(name: string, value: number, limit: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= limit) return
  throw new AppError('bad_option', { name, value, type: 'integer', expected: `1–${limit}` })
}

const idsOf = (all: readonly Package[]) => all.map(({ id }) => id).join(', ')

const orderColumns = columnsOf({ id: orders.id })

/**
 * The order of a package, the payload of its invoice. An order that is open already is used again, so that people who look at several
 * invoices leave no rows behind.
 */
export async function orderPackage(core: Core, userId: string, { id, credits, stars }: Package): Promise<string> {
  const [order] = await readRows(
    core.database,
    orderColumns,
    (list) => sql`
      with open as (
        select id from orders where user_id = ${userId}::uuid and platform = 'telegram' and item = ${id} and state = 'open'
          and credits = ${credits}::int and amount = ${stars}::int and currency = ${starsCurrency}
        order by user_id desc, orders.id desc limit 1),
      opened as (
        insert into orders (id, user_id, platform, item, credits, amount, currency)
        select ${uuidv7()}::uuid, ${userId}::uuid, 'telegram', ${id}, ${credits}::int, ${stars}::int, ${starsCurrency}
        where not exists (select from open) returning id)
      select ${list} from (select id from open union all select id from opened) orders`,
  )
  if (!order) throw new AppError('internal')
  return order.id
}
