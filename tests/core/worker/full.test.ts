/** A queue or a database that takes no writes for a while: what was accepted is kept, and drawn once that is over. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { createDatabaseCheck } from '../../../src/http/server/readiness.ts'
import { quickest } from '../../helpers/backends.ts'
import { createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'
import { freePort } from '../../helpers/ports.ts'
import { noRedis, type OwnRedis, startRedis } from '../../helpers/redis.ts'

let test: TestCore
let redis: OwnRedis | undefined
afterEach(async () => {
  const wrong = await violations(test.core.database)
  await test.close()
  await redis?.stop()
  redis = undefined
  expect(wrong).toEqual([])
})

const ledgerOf = async (key: string) => {
  const rows = await test.core.database.rows<{ kind: string }>(
    sql`select kind from ledger where generation_id = (select id from generations where key = ${key}) order by id`,
  )
  return rows.map(({ kind }) => kind)
}

interface Fault {
  name: string
  /** What Redis says. */
  says: RegExp
  begin(redis: OwnRedis): Promise<unknown>
  end(redis: OwnRedis): Promise<unknown>
}

const faults: Fault[] = [
  {
    name: 'has no free memory',
    says: /OOM/,
    begin: ({ run }) => run('config', 'set', 'maxmemory', '1'),
    end: ({ run }) => run('config', 'set', 'maxmemory', '0'),
  },
  {
    name: 'has become a replica, which is read-only',
    says: /READONLY|Cannot reach Redis/,
    begin: async ({ run }) => run('replicaof', '127.0.0.1', String(await freePort())),
    end: ({ run }) => run('replicaof', 'no', 'one'),
  },
  {
    name: 'cannot save its data, and therefore stops taking writes',
    says: /MISCONF/,
    begin: async ({ run, folder }) => {
      await run('config', 'set', 'save', '3600 1')
      // a folder that stands where the file belongs
      await mkdir(join(folder, 'dump.rdb', 'x'), { recursive: true })
      await run('bgsave')
      await expect.poll(() => run('info', 'persistence')).toContain('rdb_last_bgsave_status:err')
    },
    end: async ({ run, folder }) => {
      await rm(join(folder, 'dump.rdb'), { recursive: true })
      await run('bgsave')
    },
  },
]

describe.skipIf(noRedis !== undefined)(`while Redis takes no writes${noRedis ? ` (skipped: ${noRedis})` : ''}`, () => {
  it.each(faults)('because it $name, requests are kept, and drawn afterwards', async ({ says, begin, end }) => {
    redis = await startRedis()
    test = await openTestCore(quickest, { redis: { redisUrl: redis.url } })
    const { queue } = test.core
    await test.work()
    expect(await test.ended(await test.say('before'))).toBe('delivered')
    expect(queue.notReady()).toBeUndefined()

    await begin(redis)
    const call = await test.say('a cat')
    expect(test.chat.last(call.address)).toMatchObject({ state: 'waiting' })
    expect(await ledgerOf(call.key)).toEqual(['hold'])
    await expect.poll(() => queue.notReady()).toMatch(says)

    await end(redis)
    await expect.poll(() => queue.notReady()).toBeUndefined()
    expect(await test.ended(call)).toBe('delivered')
    expect(await ledgerOf(call.key)).toEqual(['hold', 'capture'])
    expect(await test.ended(await test.say('after'))).toBe('delivered')
  })
})

/**
 * Every write fails with the error of a full disk, as long as `fill` holds. A trigger raises it, so this tests how the service
 * handles the error, and not how Postgres itself recovers.
 */
const fill = async () => {
  // a sequence keeps its value when the statement fails
  await test.core.database.rows(sql`create sequence refused`)
  await test.core.database.rows(sql`
    create or replace function disk_full() returns trigger language plpgsql as $$
      begin perform nextval('refused'); raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$`)
  await forEachTable(
    'create trigger disk_full before insert or update or delete on %I.%I for each statement execute function disk_full()',
  )
}
const refused = async () =>
  (await test.core.database.rows<{ n: number }>(sql`select last_value as n from refused`))[0]?.n ?? 0
const makeRoom = () => forEachTable('drop trigger disk_full on %I.%I')

const forEachTable = (statement: string) =>
  test.core.database.rows(
    sql`${sql.raw(`do $do$
    declare t record;
    begin
      for t in select schemaname, tablename from pg_tables where schemaname in ('public', 'bullmq') loop
        execute format('${statement}', t.schemaname, t.tablename);
      end loop;
    end $do$`)}`,
  )

describe('while the disk of the database is full', () => {
  it('nothing is accepted or charged, what was accepted is kept, and is drawn afterwards', async () => {
    test = await openTestCore(quickest)
    const check = createDatabaseCheck(test.core.database)
    const call = await test.say('a cat')
    expect(await check()).toBe(true)

    await fill()
    expect(await check()).toBe(false)
    await test.work()
    const second = await test.say('a dog')
    expect(test.chat.last(second.address)).toMatchObject({
      state: 'failed',
      text: expect.stringContaining('on our side'),
    })
    expect(await test.core.database.rows(sql`select state from generations`)).toEqual([{ state: 'queued' }])

    await makeRoom()
    expect(await check()).toBe(true)
    expect(await test.ended(call)).toBe('delivered')
    expect(await ledgerOf(call.key)).toEqual(['hold', 'capture'])
    expect(await test.ended(await test.say('a dog'))).toBe('delivered')
  })

  it('a picture that arrives meanwhile is delivered and charged once', async () => {
    let arrive = () => {}
    const arrived = new Promise<void>((resolve) => (arrive = resolve))
    const provider = createPlain()
    const slow = createPlain({
      start: async (task, context) => {
        await provider.start(task, context)
        await arrived
        return { state: 'done', images: [await pngOf(64, 64)] }
      },
    })
    test = await openTestCore(quickest, { providers: [slow] })
    await test.work()
    const call = await test.say('a cat')
    await expect.poll(() => provider.starts).toHaveLength(1)
    await fill()
    const before = await refused()
    arrive()
    await expect.poll(refused).toBeGreaterThan(before + 5)
    await makeRoom()
    expect(await test.ended(call)).toBe('delivered')
    expect(await ledgerOf(call.key)).toEqual(['hold', 'capture'])
    const shown = test.chat.messages.filter(({ address }) => address === call.address)
    expect(shown).toHaveLength(1)
  })
})
