/** Requests of several people that are accepted in the same statements. */
import { sql } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import { afterEach, describe, expect, it } from 'vitest'
import type { Core } from '../../../src/core/core.ts'
import type { Submission } from '../../../src/core/generation/accept.ts'
import { submit } from '../../../src/core/generation/submit.ts'
import { chooseModel } from '../../../src/core/request/choose-model.ts'
import { parsePrompt } from '../../../src/core/request/parse.ts'
import type { Database } from '../../../src/db/database.ts'
import { databases } from '../../helpers/backends.ts'
import { openTestCore, type TestCore, type TestCoreOptions } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'
import { recordStatements } from '../../helpers/statements.ts'

const dialect = new PgDialect()

describe.each(databases())('requests accepted together on %s', (kind) => {
  let test: TestCore
  let core: Core
  const open = async (options: TestCoreOptions) => {
    test = await openTestCore(kind, options)
    core = test.core
    const people = Array.from({ length: 6 }, (_, n) => `p${n}`)
    // accounts are opened before, so that the requests differ in nothing
    for (const who of people) await test.say('/credits', { who })
    return people
  }
  afterEach(() => test.close())

  let requests = 0
  const requestOf = (who: string, over: Partial<Submission> = {}): Submission => ({
    key: `test:request:${++requests}`,
    surface: 'test',
    address: `test:${requests}`,
    from: { id: `test:${who}`, name: who, handle: who },
    locale: 'en',
    params: parsePrompt('a cat', { ratios: [] }),
    chosen: chooseModel(core, { images: 0, words: true }),
    images: [],
    ...over,
  })
  const outcomeOf = (submission: Submission) =>
    submit(core, submission).then(
      () => 'accepted',
      (error: { kind?: string; message: string }) => error.kind ?? error.message,
    )
  /** Each person makes `times` requests, all at once; outcomes and how often each came, by person. */
  const burst = async (people: readonly string[], times: number, over?: Partial<Submission>) => {
    const all = Array.from({ length: times }, () => people).flat()
    const outcomes = await Promise.all(all.map((who) => outcomeOf(requestOf(who, over))))
    return people.map((who) => {
      const own = outcomes.filter((_, at) => all[at] === who)
      return Object.fromEntries(
        [...new Set(own)].sort().map((kind) => [kind, own.filter((each) => each === kind).length]),
      )
    })
  }
  const settle = async () => {
    await test.work()
    const isOver = async () =>
      (await core.database.rows(sql`select id from generations where ended_at is null`)).length === 0
    await expect.poll(isOver).toBe(true)
    expect(await violations(core.database)).toEqual([])
  }

  it('cost each person no more than the last credit', async () => {
    const people = await open({ limits: { welcome: 1, inFlight: 99, perMinute: 99 } })
    const statements = recordStatements(core.database)
    expect(await burst(people, 4)).toEqual(people.map(() => ({ accepted: 1, no_credits: 3 })))
    const accepts = statements.filter((statement) => statement.sql.includes('admitted as'))
    expect(accepts.length).toBeLessThan(24)
    await settle()
  })

  it('are as many under way as each person may have', async () => {
    const people = await open({ limits: { welcome: 50, inFlight: 2, perMinute: 99 } })
    expect(await burst(people, 5)).toEqual(people.map(() => ({ accepted: 2, too_many_in_flight: 3 })))
  })

  it('are as many as each person may make in a minute', async () => {
    const people = await open({ limits: { welcome: 50, inFlight: 99, perMinute: 2 } })
    expect(await burst(people, 5)).toEqual(people.map(() => ({ accepted: 2, too_fast: 3 })))
  })

  it('draw no more on the pool of their group than it has, and than each member may', async () => {
    const people = await open({ limits: { welcome: 0, inFlight: 99, perMinute: 99 } })
    await core.database.rows(sql`
      with pool as (insert into users (id, name) values (gen_random_uuid(), 'pool') returning id)
      insert into chat_rules (chat, pool_id, pool_cap) select 'test:guild', id, 2 from pool`)
    await core.database.rows(sql`
      insert into ledger (user_id, kind, amount, source, key) select pool_id, 'grant', 7, 'pool', 'fund' from chat_rules`)
    const place = { channel: 'c', group: { id: 'guild' }, nsfw: false, manager: false, roles: [] }
    const outcomes = await burst(people, 3, { place: place as Submission['place'] })
    const accepted = outcomes.map((each) => each.accepted ?? 0)
    expect(accepted.reduce((a, b) => a + b)).toBe(7)
    expect(Math.max(...accepted)).toBeLessThanOrEqual(2)
    const [pool] = await core.database.rows(sql`
      select balance, held, (select sum(credits)::int from pool_draws) as drawn from users where name = 'pool'`)
    expect(pool).toEqual({ balance: 0, held: 7, drawn: 7 })
  })

  it('do not fail when one of them does', async () => {
    const people = await open({ limits: { inFlight: 99, perMinute: 99 } })
    const [wrong, ...others] = people
    const outcomes = await Promise.all([
      ...others.map((who) => outcomeOf(requestOf(who))),
      // no text of Postgres may have this character
      outcomeOf(requestOf(wrong ?? '', { address: 'test:\0' })),
      ...others.map((who) => outcomeOf(requestOf(who))),
    ])
    expect(outcomes.filter((each) => each === 'accepted')).toHaveLength(10)
    expect(outcomes[5]).not.toBe('accepted')
    await settle()
  })

  it('are charged once when the connection is lost after the commit and they are made again', async () => {
    const people = await open({ limits: { welcome: 9, inFlight: 99, perMinute: 99 } })
    const { rows } = core.database
    const lost = Object.assign(new Error('lost'), { code: 'CONNECTION_CLOSED' })
    const losing: Database['rows'] = async (query, on) => {
      const done = await rows(query, on)
      if (dialect.sqlToQuery(query).sql.includes('admitted as')) throw lost
      return done as never
    }
    const submissions = people.map((who) => requestOf(who))
    const usual = core.database.rows
    Object.assign(core.database, { rows: losing })
    const first = await Promise.all(submissions.map(outcomeOf))
    Object.assign(core.database, { rows: usual })
    expect(first).toEqual(people.map(() => 'lost'))
    const again = await Promise.all(submissions.map((each) => submit(core, each)))
    expect(again.map(({ fresh }) => fresh)).toEqual(people.map(() => false))
    const balances = await core.database.rows<{ balance: number }>(sql`select balance from users`)
    expect(balances).toEqual(people.map(() => ({ balance: 8 })))
    await settle()
  })
})
