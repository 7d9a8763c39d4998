/** When Discord refuses requests: what is no longer sent, and what the operator sees. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createRest } from '../../../src/bots/discord/rest/api.ts'
import { AppError } from '../../../src/core/errors.ts'
import { type DiscordEmulator, startDiscord } from '../../emulators/discord/index.ts'
import { keepLog } from '../../helpers/log.ts'

let discord: DiscordEmulator

beforeAll(async () => {
  discord = await startDiscord()
})

afterAll(() => discord.stop())

function open({ token = discord.token, maxInvalid }: { token?: string; maxInvalid?: number } = {}) {
  const log = keepLog()
  const openRequests = { answer: async () => false }
  return { log, api: createRest({ token, apiUrl: discord.apiUrl, log, openRequests, maxInvalid }) }
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

it('no request is sent after many refusals, before Discord blocks the address', async () => {
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
