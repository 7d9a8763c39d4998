/** Which lanes somebody serves: workers say so now and then, in the database, because settings may differ between them. */
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'

export interface Presence {
  /** Says which providers this worker has, if that was not said lately. */
  say(): Promise<void>
  /** Of these lanes, those that nobody has served for a while. */
  gone(lanes: readonly string[]): Promise<ReadonlySet<string>>
}

const sayEveryMs = 10_000

export function createPresence(core: Core): Presence {
  const since = Date.now()
  let saidAt = 0

  return {
    async say() {
      if (Date.now() - saidAt < sayEveryMs) return
      saidAt = Date.now()
      const names = core.providers.all().map(({ provider }) => nameOf(provider.name))
      await core.database.rows(sql`
        insert into facts (name, value) select name, now()::text from jsonb_array_elements_text(${JSON.stringify(names)}::jsonb) name
        on conflict (name) do update set value = excluded.value`)
    },
    async gone(lanes) {
      const unknown = [...new Set(lanes)].filter((lane) => !core.providers.get(lane))
      // whoever has just come does not know yet who else is there
      if (unknown.length === 0 || Date.now() - since < core.limits.goneMs) return new Set()
      const served = await core.database.rows<{ name: string }>(sql`
        select name from facts where name in (${sql.join(
          unknown.map(nameOf).map((name) => sql`${name}`),
          sql`, `,
        )})
          and value::timestamptz > now() - ${`${core.limits.goneMs} milliseconds`}::interval`)
      return new Set(unknown.filter((lane) => !served.some(({ name }) => name === nameOf(lane))))
    },
  }
}

const nameOf = (lane: string) => `lane served: ${lane}`
