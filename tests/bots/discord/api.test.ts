/** When Discord refuses requests: what is no longer sent, and what the operator sees. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRest } from '../../../src/bots/discord/rest/api.ts'
import { AppError } from '../../../src/core/errors.ts'
import type { Database } from '../../../src/db/database.ts'
import { type DiscordEmulator, startDiscord } from '../../emulators/discord/index.ts'
import { backends, openTestDatabase } from '../../helpers/backends.ts'
import { createGate } from '../../helpers/gate.ts'
import { keepLog } from '../../helpers/log.ts'

let discord: DiscordEmulator

beforeAll(async () => {
  discord = await startDiscord()
})

afterAll(() => discord.stop())

const away = {
  rows: async () => {
    throw new Error('the database is away')
  },
}

interface Opening {
  token?: string
  maxInvalid?: number
  /** Absent: it is away. */
  database?: Pick<Database, 'rows'>
}

function open({ token = discord.token, maxInvalid, database = away }: Opening = {}) {
  const log = keepLog()
  const openRequests = { answer: async () => false }
  return { log, api: createRest({ token, apiUrl: discord.apiUrl, log, openRequests, maxInvalid, database }) }
}

const outcome = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof AppError ? error.kind : 'refused by Discord'),
  )

it('a refused token stops requests with it, says so, and is logged once', async () => {
  const { api, log } = open({ token: 'not.the.token' })
  const before = discord.requests.length
  const outcomes = []
  for (let left = 3; left > 0; left--) outcomes.push(await outcome(api.send('get', '/users/@me')))
  expect(outcomes).toEqual(['refused by Discord', 'chat_unavailable', 'chat_unavailable'])
  expect(discord.requests.length).toBe(before + 1)
  expect(api.notReady()).toContain('DISCORD_TOKEN')
  expect(log.lines.filter((line) => line.startsWith('error'))).toHaveLength(1)
  api.close()
})

it('no request is sent after many refusals, also while the database is away', async () => {
  const { api, log } = open({ maxInvalid: 3 })
  const channel = discord.addChannel({ denied: 50001 })
  const outcomes = []
  for (let left = 4; left > 0; left--) outcomes.push(await outcome(api.send('get', `/channels/${channel}`)))
  expect(outcomes).toEqual([...Array(3).fill('refused by Discord'), 'chat_unavailable'])
  const before = discord.requests.length
  const interaction = { id: '1', token: 'x' }
  expect(await api.acknowledge(interaction, 'public')).toBe('unknown')
  expect(discord.requests.length).toBe(before)
  expect(api.notReady()).toContain('10,000')
  expect(log.lines.filter((line) => line.startsWith('error'))).toHaveLength(1)
  api.close()
})

describe.each(backends())('refusals of several processes, with %s', (backend) => {
  it('count together, and leave the window after ten minutes', async () => {
    const { database, drop } = await openTestDatabase(backend)
    const processes = [open({ maxInvalid: 4, database }), open({ maxInvalid: 4, database })]
    const [first, second] = processes.map(({ api }) => api)
    const closed = discord.addChannel({ denied: 50001 })
    const refuse = (api = first) => outcome(api!.send('get', `/channels/${closed}`))
    const counted = async () => {
      // unchecked row: an expression, no column
      const [row] = await database.rows<{ n: number }>(
        sql`select coalesce(sum(requests), 0)::int as n from discord_invalid_requests`,
      )
      return row?.n
    }
    // what succeeds, and what was refused for another reason, is not counted
    expect(await outcome(first!.send('get', '/users/@me'))).toBe('done')
    expect(await outcome(first!.send('get', '/channels/1/messages/1'))).toBe('refused by Discord')
    for (const [api, n] of [
      [first, 1],
      [second, 2],
      [first, 3],
      [second, 4],
    ] as const) {
      expect(await refuse(api)).toBe('refused by Discord')
      await expect.poll(counted).toBe(n)
    }
    await expect.poll(() => second!.notReady()).toContain('10,000')
    expect(await refuse(second)).toBe('chat_unavailable')
    // the first one learns it with its next refusal, so that all together are one more for each process
    expect(first!.notReady()).toBeUndefined()
    expect(await refuse(first)).toBe('refused by Discord')
    await expect.poll(() => first!.notReady()).toContain('10,000')
    expect(processes.flatMap(({ log }) => log.lines.filter((line) => line.startsWith('error')))).toHaveLength(2)
    // a process that starts now learns it as well; ten minutes later it counts anew
    const third = open({ maxInvalid: 4, database })
    expect(await refuse(third.api)).toBe('refused by Discord')
    await expect.poll(() => third.api.notReady()).toContain('10,000')
    await database.rows(sql`update discord_invalid_requests set minute = minute - interval '11 minutes'`)
    const later = open({ maxInvalid: 4, database })
    expect(await refuse(later.api)).toBe('refused by Discord')
    await expect.poll(counted).toBe(1)
    expect(later.api.notReady()).toBeUndefined()
    for (const { api } of [...processes, third, later]) api.close()
    await drop()
  })

  it('are counted by one statement at a time, however many there are', async () => {
    const { database, drop } = await openTestDatabase(backend)
    const gate = createGate()
    let statements = 0
    const counting: Pick<Database, 'rows'> = {
      rows: async (...given) => {
        statements++
        await gate.pass(undefined)
        return database.rows(...given)
      },
    }
    const { api } = open({ maxInvalid: 1_000, database: counting })
    const closed = discord.addChannel({ denied: 50001 })
    await Promise.all(Array.from({ length: 60 }, () => outcome(api.send('get', `/channels/${closed}`))))
    expect(statements).toBe(1)
    gate.open()
    await expect
      .poll(() => database.rows(sql`select sum(requests)::int as n from discord_invalid_requests`))
      .toEqual([{ n: 60 }])
    expect(statements).toBe(2)
    api.close()
    await drop()
  })
})
