import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { lockFolder } from '../../src/db/lock.ts'
import { openDatabase } from '../../src/db/open.ts'
import { prepareDatabase, stateOfTables } from '../../src/db/prepared.ts'
import { createQueue } from '../../src/queue/bullmq.ts'
import { backends, createDatabase } from '../helpers/backends.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fluxbot-test-'))
})
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))

test('a data folder refuses a second process, and after kill -9 a third one finds every row', {
  timeout: 200_000,
}, async () => {
  const first = child(folder, 'write')
  await first.until((line) => line === '200')

  const second = child(folder, 'read')
  const refused = await second.until((line) => line.startsWith('refused'))
  expect(refused).toContain(`is in use by process ${first.process.pid}: stop that process (pid ${first.process.pid})`)
  expect(refused).toContain('or set DATA_DIR to another folder, or set DATABASE_URL to a Postgres server')

  first.process.kill('SIGKILL')
  await once(first.process, 'close')
  const acknowledged = Number(first.lines.at(-1))
  const third = child(folder, 'read')
  const found = JSON.parse(await third.until((line) => line.startsWith('{')))
  expect(found.n).toBeGreaterThanOrEqual(acknowledged)
  expect(found.n).toBe(Number(found.last))
  await once(third.process, 'close')
  expect(await readdir(folder)).toEqual(['db'])
})

test('a new data folder gets a copy of the database that the build prepared, readable by its owner only', async () => {
  // left by a start that was killed while it copied
  await mkdir(join(folder, 'db.new'))
  await writeFile(join(folder, 'db.new', 'PG_VERSION'), '1')
  const database = await openDatabase({ dataDir: folder })
  const [counted] = await database.rows<{ users: number }>(sql`select count(*)::int as users from users`)
  await database.close()
  expect(counted).toEqual({ users: 0 })
  expect(await readdir(folder)).toEqual(['db'])
  expect((await stat(join(folder, 'db'))).mode & 0o777).toBe(0o700)
  expect(await systemIdentifier(join(folder, 'db'))).toEqual(await systemIdentifier(prepared))
})

test('the database is prepared once for each state of the code', async () => {
  const make = () => Promise.reject(new Error('made again'))
  await prepareDatabase(make)
  const before = await readFile(join(prepared, '../state'), 'utf8')
  expect(before).toBe(await stateOfTables())
})

/** Postgres writes it when it creates a database, and never changes it. */
const systemIdentifier = async (files: string) => (await readFile(join(files, 'global/pg_control'))).subarray(0, 8)
const prepared = fileURLToPath(new URL('../../dist/prepared-database/db', import.meta.url))

describe('the lock of a data folder', () => {
  const refused = 'set DATA_DIR to another folder'
  const scope = async () => {
    const lock = await lockFolder(folder)
    const mine = JSON.parse(await readFile(await lockFile(), 'utf8'))
    await lock.release()
    return mine as { pid: number; start: string; scope: string; host: string }
  }
  const lockFile = async () => join(folder, 'lock', (await readdir(join(folder, 'lock')))[0]!)
  const plant = async (holder: object | string, secondsOld: number) => {
    await mkdir(join(folder, 'lock'))
    const file = join(folder, 'lock', 'planted.json')
    await writeFile(file, typeof holder === 'string' ? holder : JSON.stringify(holder))
    const then = new Date(Date.now() - secondsOld * 1_000)
    await utimes(file, then, then)
    return file
  }

  test('is held once, also within one process, until it is released', async () => {
    const lock = await lockFolder(folder)
    await expect(lockFolder(folder)).rejects.toThrow(refused)
    await lock.release()
    await (await lockFolder(folder)).release()
    expect(await readdir(folder)).toEqual([])
  })

  test('is waited for while its process is ending', async () => {
    const dying = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 400)'])
    const start = (await readFile(`/proc/${dying.pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ')[19]
    await plant({ ...(await scope()), pid: dying.pid, start }, 0)
    await expect(lockFolder(folder, 0)).rejects.toThrow(refused)
    await (await lockFolder(folder, 30_000)).release()
  })

  test('is taken from a dead process', async () => {
    await plant({ ...(await scope()), pid: 4_194_303, start: '1' }, 0)
    await (await lockFolder(folder)).release()
  })

  test('is taken when another process has the pid, even this one', async () => {
    await plant({ ...(await scope()), start: '1' }, 0)
    const lock = await lockFolder(folder)
    await lock.release()
    await plant({ ...(await scope()), pid: process.ppid, start: '1' }, 0)
    await (await lockFolder(folder)).release()
  })

  test('of another machine is taken once its heartbeat has stopped, even if its pid exists here', async () => {
    await plant({ ...(await scope()), scope: 'elsewhere', host: 'elsewhere' }, 21)
    await (await lockFolder(folder)).release()
  })

  test('of another machine is respected while its heartbeat continues', async () => {
    const file = await plant({ pid: 1, start: '1', scope: 'elsewhere', host: 'elsewhere' }, 3)
    const beat = setTimeout(() => void utimes(file, new Date(), new Date()), 300)
    await expect(lockFolder(folder)).rejects.toThrow('in use by process 1 on elsewhere')
    clearTimeout(beat)
  })

  test('of another container with the same host name is judged by its heartbeat', async () => {
    const file = await plant({ ...(await scope()), scope: `${hostname()} boot pid:[1]`, start: '1' }, 3)
    const beat = setTimeout(() => void utimes(file, new Date(), new Date()), 300)
    await expect(lockFolder(folder)).rejects.toThrow(refused)
    clearTimeout(beat)
  })

  test('with an incomplete file is taken once it is old', async () => {
    await plant('{"pid":', 21)
    await (await lockFolder(folder)).release()
  })

  test('of a dead process goes to exactly one of many processes', async () => {
    const dead = { ...(await scope()), pid: 4_194_303, start: '1' }
    for (let round = 0; round < 20; round += 1) {
      await plant(dead, 0)
      const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder, 0)))
      const winners = attempts.filter((attempt) => attempt.status === 'fulfilled')
      expect(winners).toHaveLength(1)
      await winners[0]!.value.release()
    }
    expect(await readdir(folder)).toEqual([])
  })
})

describe.skipIf(!backends().includes('postgres'))('a Postgres database', () => {
  test('is migrated by six processes at once', { timeout: 200_000 }, async () => {
    const { url, drop } = await createDatabase()
    try {
      const opened = await Promise.all(Array.from({ length: 6 }, () => openDatabase({ url, dataDir: '' })))
      const log = { warn: () => {}, error: () => {} }
      const queues = await Promise.all(
        opened.map((one) =>
          createQueue({ backend: { pool: one.bullPool() }, lanes: [{ name: 'a', concurrency: 1 }], log }),
        ),
      )
      const [row] = await opened[0]!.rows<{ n: number }>(sql`select count(*) as n from drizzle.__drizzle_migrations`)
      const files = await readdir(new URL('../../drizzle/', import.meta.url))
      expect(row?.n).toBe(files.filter((name) => name.endsWith('.sql')).length)
      await Promise.all(queues.map((queue) => queue.close(0)))
      await Promise.all(opened.map((one) => one.close()))
    } finally {
      await drop()
    }
  })

  test('is refused at once if it does not exist, without showing the password', async () => {
    const url = new URL(process.env.TEST_DATABASE_URL as string)
    url.pathname = '/no_such_database'
    url.password = 'secret-word'
    const failure = await openDatabase({ url: url.href, dataDir: '' }).catch((error: Error) => error.message)
    expect(failure).toContain('database "no_such_database" does not exist. Check DATABASE_URL')
    expect(failure).not.toContain('secret-word')
  })

  test('notifies listeners on other connections', async () => {
    const { url, drop } = await createDatabase()
    const [one, two] = [await openDatabase({ url, dataDir: '' }), await openDatabase({ url, dataDir: '' })]
    try {
      const heard: string[] = []
      const stop = await one.listen('Cancel', (payload) => heard.push(payload))
      await two.db.execute(sql`select pg_notify('Cancel', 'x')`)
      await expect.poll(() => heard).toEqual(['x'])
      // a broken connection is restored
      await two.db.execute(sql`select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'fluxbot-listen' and datname = current_database()`)
      await expect
        .poll(async () => {
          await two.db.execute(sql`select pg_notify('Cancel', 'again')`)
          return heard.includes('again')
        })
        .toBe(true)
      await stop()
    } finally {
      await Promise.all([one.close(), two.close()])
      await drop()
    }
  })
})

test('the embedded database notifies its listeners', async () => {
  const database = await openDatabase({ dataDir: folder })
  const heard: string[] = []
  const stop = await database.listen('Cancel', (payload) => heard.push(payload))
  await database.db.execute(sql`select pg_notify('Cancel', 'x')`)
  await expect.poll(() => heard).toEqual(['x'])
  await stop()
  await database.db.execute(sql`select pg_notify('Cancel', 'y')`)
  expect(heard).toEqual(['x'])
  await database.close()
  await database.close()
})

function child(...args: string[]): {
  process: ChildProcess
  lines: string[]
  until(wanted: (line: string) => boolean): Promise<string>
} {
  const script = fileURLToPath(new URL('child.ts', import.meta.url))
  const started = spawn(process.execPath, ['--import', 'tsx', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  const reader = createInterface({ input: started.stdout! })
  reader.on('line', (line) => lines.push(line))
  return {
    process: started,
    lines,
    until(wanted) {
      return new Promise((resolve, reject) => {
        const printed = lines.find(wanted)
        if (printed !== undefined) return resolve(printed)
        reader.on('line', (line) => wanted(line) && resolve(line))
        reader.on('close', () => reject(new Error(`the process ended after: ${lines.slice(-5).join(' | ')}`)))
      })
    },
  }
}
