/** Changes of prices and switches by administrators. Each is one statement with its row in the audit log. */
import { type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { prices } from '../../db/schema/billing.ts'
import { type AdminAct, audited } from '../accounts/audit.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Model, PricedPart } from '../ports/models.ts'
import { everyModel, tariffChanged } from './tariff.ts'

export interface SetPrice {
  /** Id of a model, or `everyModel`. */
  model: string
  part: PricedPart
  credits: number
}

const setColumns = columnsOf({ model: prices.model, part: typed<PricedPart>(prices.part), credits: prices.credits })

/** The prices that administrators have set. */
export const readPrices = ({ database }: Pick<Core, 'database'>): Promise<SetPrice[]> =>
  readRows(database, setColumns, (list) => sql`select ${list} from prices order by model, part`)

type Act = Pick<AdminAct, 'actor' | 'key'>

/** The greatest price of one part, in credits. */
export const maxPrice = 10_000

/** The row that a change is about: for a model that follows another one, that of the other one. */
export const tariffId = ({ id, base }: Model) => base ?? id

/** Throws AppError bad_option. */
export async function setPrice(core: Core, act: Act, { model, part, credits }: SetPrice): Promise<void> {
  if (!Number.isInteger(credits) || credits < 0 || credits > maxPrice) {
    throw new AppError('bad_option', { name: 'credits', value: credits, expected: `0–${maxPrice}` })
  }
  if (model === everyModel && part !== 'input' && part !== 'enhance') {
    throw new AppError('bad_option', { name: 'part', value: part, expected: 'input, enhance' })
  }
  const before = sql`(select jsonb_build_object(part, credits) from prices where model = ${model} and part = ${part})`
  const noted = audited({ ...act, action: 'price', target: model }, { before, after: { [part]: credits } })
  await change(
    core,
    sql`with noted as (${noted})
      insert into prices (model, part, credits) select ${model}, ${part}, ${credits}::int from noted
      on conflict (model, part) do update set credits = excluded.credits, changed_at = now()`,
  )
}

/** Back to the prices of the declaration. `part` absent: all. */
export async function resetPrices(
  core: Core,
  act: Act,
  { model, part }: { model: string; part?: PricedPart },
): Promise<void> {
  const which = sql`model = ${model} and (${part ?? null}::text is null or part = ${part ?? null})`
  const before = sql`(select jsonb_object_agg(part, credits) from prices where ${which})`
  const from = sql`where exists (select from prices where ${which})`
  const noted = audited({ ...act, action: 'price', target: model }, { before, from })
  await change(core, sql`with noted as (${noted}) delete from prices where ${which} and exists (select from noted)`)
}

export async function switchModel(
  core: Core,
  act: Act,
  { model, enabled }: { model: string; enabled: boolean },
): Promise<void> {
  const before = sql`coalesce((select to_jsonb(enabled) from model_switches where model = ${model}), 'true')`
  const noted = audited({ ...act, action: 'model', target: model }, { before, after: enabled })
  await change(
    core,
    sql`with noted as (${noted})
      insert into model_switches (model, enabled) select ${model}, ${enabled}::bool from noted
      on conflict (model) do update set enabled = excluded.enabled, changed_at = now()`,
  )
}

/** One after the other in all processes, so that each row of the audit log says what was before. */
async function change({ database, tariff }: Core, statement: SQL): Promise<void> {
  await database.db.transaction(async (tx) => {
    await database.rows(sql`select pg_advisory_xact_lock(hashtext(${tariffChanged}))`, tx)
    await database.rows(statement, tx)
    await database.rows(sql`select pg_notify(${tariffChanged}, '')`, tx)
  })
  await tariff.reload()
}
