/** Limits of people and of tiers, as administrators set them. */
import { type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { tiers, users } from '../../db/schema/accounts.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { type AdminAct, audited } from './audit.ts'
import { inFlightLimit, perMinuteLimit } from './limits.ts'

/** null: removes the limit, so that the tier or the settings decide. Absent: it stays as it is. */
export interface LimitChange {
  inFlight?: number | null
  perMinute?: number | null
}

/** Largest limits. A program's key may send 600 requests of any kind a minute (http/server/throttle.ts). */
export const highest = { inFlight: 1_000, perMinute: 600 }

export interface LimitsInForce {
  inFlight: number
  perMinute: number
  tier: string | null
}

/** Throws AppError unknown_user. */
export async function readLimits(core: Core, userId: string): Promise<LimitsInForce> {
  const columns = columnsOf({
    inFlight: typed<number>(inFlightLimit(core.limits)),
    perMinute: typed<number>(perMinuteLimit(core.limits)),
    tier: users.tier,
  })
  const [limits] = await readRows(
    core.database,
    columns,
    (list) => sql`select ${list} from users where id = ${userId}::uuid`,
  )
  if (!limits) throw new AppError('unknown_user', { user: userId })
  return limits
}

/** `tier`: null for none. Throws AppError bad_option when there is no such tier. */
export async function changeLimits(
  core: Core,
  { userId, ...change }: LimitChange & { userId: string; tier?: string | null },
  act: Pick<AdminAct, 'actor' | 'key'>,
): Promise<void> {
  if (typeof change.tier === 'string') await assertTier(core, change.tier)
  const inFlight = changed(change.inFlight, sql`in_flight_limit`)
  const perMinute = changed(change.perMinute, sql`per_minute_limit`)
  const tier = change.tier === undefined ? sql`tier` : sql`${change.tier}::text`
  const noted = audited(
    { ...act, action: 'limits', target: userId },
    {
      before: sql`jsonb_build_object('in_flight', in_flight_limit, 'per_minute', per_minute_limit, 'tier', tier)`,
      after: sql`jsonb_build_object('in_flight', ${inFlight}, 'per_minute', ${perMinute}, 'tier', ${tier})`,
      from: sql`from users where id = ${userId}::uuid`,
    },
  )
  await core.database.rows(sql`
    with noted as (${noted})
    update users set in_flight_limit = ${inFlight}, per_minute_limit = ${perMinute}, tier = ${tier}
    where id = ${userId}::uuid and exists (select from noted)`)
}

/** Creates the tier if it does not exist. */
export async function changeTier(
  core: Core,
  { name, ...change }: LimitChange & { name: string },
  act: Pick<AdminAct, 'actor' | 'key'>,
): Promise<void> {
  const was = (column: SQL) => sql`(select ${column} from tiers where name = ${name})`
  const inFlight = changed(change.inFlight, was(sql`in_flight`))
  const perMinute = changed(change.perMinute, was(sql`per_minute`))
  const noted = audited(
    { ...act, action: 'tier', target: name },
    {
      before: was(sql`jsonb_build_object('in_flight', in_flight, 'per_minute', per_minute)`),
      after: sql`jsonb_build_object('in_flight', ${inFlight}, 'per_minute', ${perMinute})`,
    },
  )
  await core.database.rows(sql`
    with noted as (${noted})
    insert into tiers (name, in_flight, per_minute) select ${name}, ${inFlight}, ${perMinute} where exists (select from noted)
    on conflict (name) do update
      set in_flight = excluded.in_flight, per_minute = excluded.per_minute, changed_at = now()`)
}

const tierColumns = columnsOf({
  name: tiers.name,
  inFlight: tiers.inFlight,
  perMinute: tiers.perMinute,
})

export type Tier = NonNullable<(typeof tierColumns)['row']>

export function listTiers(core: Core): Promise<Tier[]> {
  return readRows(core.database, tierColumns, (list) => sql`select ${list} from tiers order by name`)
}

async function assertTier(core: Core, name: string): Promise<void> {
  const names = (await listTiers(core)).map((tier) => tier.name)
  if (names.includes(name)) return
  throw new AppError('bad_option', { name: 'tier', value: name, expected: [...names, 'default'].join(', ') })
}

const changed = (value: number | null | undefined, column: SQL): SQL =>
  value === undefined ? column : sql`${value}::int`
