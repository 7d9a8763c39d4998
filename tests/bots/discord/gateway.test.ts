/** The gateway connection against the emulator: how it connects, recovers and gives up. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createGateway, type Gateway, type GatewayOptions } from '../../../src/bots/discord/gateway/gateway.ts'
import { type DiscordEmulator, type DiscordOptions, startDiscord } from '../../emulators/discord/index.ts'
import { openTestDatabase, quickest, type TestDatabase } from '../../helpers/backends.ts'
import { keepLog } from '../../helpers/log.ts'

const notConnected = 'not connected to the Discord gateway'

interface Setup {
  discord: DiscordEmulator
  gateway: Gateway
  /** Ids of the interactions that arrived. */
  interactions: string[]
  /** Contents of the messages that arrived. */
  messages: string[]
  log: ReturnType<typeof keepLog>
  /** Log lines that contain the text. */
  logged(text: string): string[]
}

const running: Setup[] = []
let opened: TestDatabase

beforeAll(async () => {
  opened = await openTestDatabase(quickest)
})

afterAll(() => opened.drop())

async function setUp(emulator: DiscordOptions = {}, options: Partial<GatewayOptions> = {}): Promise<Setup> {
  const discord = await startDiscord(emulator)
  const log = keepLog()
  const interactions: string[] = []
  const messages: string[] = []
  const gateway = createGateway({
    token: discord.token,
    apiUrl: discord.apiUrl,
    log,
    onInteraction: ({ id }) => void interactions.push(id),
    onMessage: ({ content }) => void messages.push(content),
    onPurchase: () => undefined,
    database: opened.database,
    ...options,
  })
  const logged = (text: string) => log.lines.filter((line) => line.includes(text))
  const setup = { discord, gateway, interactions, messages, log, logged }
  running.push(setup)
  return setup
}

/** Identifies and resumes so far, as 'identify 0', 'resume 0'. */
const handshakes = ({ handshakes }: DiscordEmulator) => handshakes.map(({ kind, shard }) => `${kind} ${shard[0]}`)
const isReady = ({ gateway }: Setup) => expect.poll(() => gateway.notReady()).toBeUndefined()
const isResumed = ({ discord }: Setup) => expect.poll(() => handshakes(discord).at(-1)).toBe('resume 0')

/** An interaction still arrives, so the connection is alive in both directions. */
async function expectAlive({ discord, interactions }: Setup) {
  const { id } = discord.slash('flux', { prompt: 'a fox' })
  await expect.poll(() => interactions).toContain(id)
}

/** Closes the gateway. The library alone would connect again half a second later. */
async function expectNoMoreAttempts(discord: DiscordEmulator, gateway: Gateway) {
  await gateway.close()
  const before = discord.gatewayAttempts.length
  await pause(1_000)
  expect(discord.gatewayAttempts).toHaveLength(before)
}

afterEach(async () => {
  for (const { discord, gateway, log } of running.splice(0)) {
    await gateway.close()
    await discord.stop()
    expect(discord.violations).toEqual([])
    expect(log.lines.filter((line) => line.includes(discord.token))).toEqual([])
  }
})

describe('connecting', () => {
  it('identifies with its intents and reports interactions and messages', async () => {
    const setup = await setUp()
    const { discord, gateway, interactions, messages, log } = setup
    expect(gateway.notReady()).toBe(notConnected)
    expect(gateway.botId()).toBe('')
    expect(await gateway.open()).toEqual({ applicationId: discord.applicationId })
    expect(gateway.notReady()).toBeUndefined()
    expect(gateway.botId()).toBe(discord.botUser.id)
    // GUILDS, GUILD_MESSAGES and DIRECT_MESSAGES
    expect(discord.handshakes).toEqual([{ kind: 'identify', shard: [0, 1], intents: 1 | (1 << 9) | (1 << 12) }])
    const { id } = discord.slash('flux', { prompt: 'a fox' })
    discord.dm('hello')
    await expect.poll(() => messages).toEqual(['hello'])
    expect(interactions).toEqual([id])
    expect(log.lines).toEqual([])
  })

  it('is ready before its guilds are available, and receives interactions', async () => {
    const setup = await setUp({ guildsUnavailable: true })
    await setup.gateway.open()
    expect(setup.gateway.notReady()).toBeUndefined()
    await expectAlive(setup)
  })

  it('retries with growing pauses while the REST API is away', async () => {
    const { discord, gateway, log } = await setUp()
    discord.faults.add({ match: { path: /gateway\/bot/ }, kind: 'dropBefore', times: 1 })
    discord.faults.add({ match: { path: /gateway\/bot/ }, kind: '502html', times: 1 })
    await gateway.open()
    expect(gateway.notReady()).toBeUndefined()
    expect(log.lines).toMatchObject([
      expect.stringMatching(/^warn .*"retryInMs":1000.* could not reach Discord; retrying$/),
      expect.stringMatching(/^warn .*responded with 502.*"retryInMs":2000.* could not reach Discord; retrying$/),
    ])
  })

  it('does not wait as long as an absurd rate limit asks for', async () => {
    const { discord, gateway, logged } = await setUp()
    discord.faults.add({ match: { path: /gateway\/bot/ }, kind: '429absurd', times: 1 })
    await gateway.open()
    expect(logged('"retryInMs":1000')).toHaveLength(1)
  })

  it('retries with growing pauses while the gateway is away, and logs that once', async () => {
    const setup = await setUp()
    const { discord, gateway, log } = setup
    discord.refuseGateway(true)
    const opened = gateway.open()
    await expect.poll(() => discord.gatewayAttempts.length).toBe(4)
    expect(gateway.notReady()).toBe(notConnected)
    expect(log.lines).toEqual([expect.stringMatching(/^warn .*"code":1006.* could not connect to the Discord gateway/)])
    const [first, second, third] = discord.gatewayAttempts.slice(1).map((at, i) => at - discord.gatewayAttempts[i]!)
    expect(first).toBeGreaterThan(450)
    expect(second).toBeGreaterThan(1_450)
    expect(third).toBeGreaterThan(2_450)
    discord.refuseGateway(false)
    await opened
    expect(gateway.notReady()).toBeUndefined()
    expect(log.lines.slice(1)).toEqual([expect.stringMatching(/^info .* reconnected to the Discord gateway$/)])
    await expectAlive(setup)
  })

  it('is ready only while every shard is', async () => {
    const setup = await setUp({ shards: 2 })
    const { discord, gateway } = setup
    await gateway.open()
    expect(handshakes(discord).toSorted()).toEqual(['identify 0', 'identify 1'])
    expect(gateway.notReady()).toBeUndefined()
    discord.refuseGateway(true)
    discord.closeGateway(4000, 1)
    await expect.poll(() => gateway.notReady()).toBe(notConnected)
    expect(discord.connectedGateways()).toBe(1)
    discord.refuseGateway(false)
    await isReady(setup)
    expect(discord.connectedGateways()).toBe(2)
  })
})

describe('being refused', () => {
  it('names DISCORD_TOKEN and the cure when the REST API refuses the token', async () => {
    const { gateway } = await setUp({}, { token: 'not.the.token' })
    await expect(gateway.open()).rejects.toThrow(/DISCORD_TOKEN: reset the token at discord\.com\/developers/)
    expect(gateway.notReady()).toContain('DISCORD_TOKEN')
  })

  it.each([
    [4004, /DISCORD_TOKEN: reset the token at discord\.com\/developers/],
    [4010, /4010 InvalidShard.*: restart fluxbot/],
    [4011, /4011 ShardingRequired.*: restart fluxbot/],
    [4012, /4012 InvalidAPIVersion.*: update fluxbot/],
    [4013, /4013 InvalidIntents.*: update fluxbot/],
    [4014, /4014 DisallowedIntents.*Privileged Gateway Intents/],
  ])('gives up when the gateway closes with %i, and says why', async (code, words) => {
    const { discord, gateway, log } = await setUp()
    discord.closeOnIdentify(code)
    await expect(gateway.open()).rejects.toThrow(words)
    expect(gateway.notReady()).toMatch(words)
    expect(log.lines).toEqual([expect.stringMatching(/^error /)])
    expect(log.lines[0]).toMatch(words)
    await pause(700)
    expect(discord.gatewayAttempts).toHaveLength(1)
  })

  it('gives up when the token is revoked while it is connected', async () => {
    const { discord, gateway, log } = await setUp({ shards: 2 })
    await gateway.open()
    discord.closeGateway(4004)
    await expect.poll(() => gateway.notReady()).toContain('DISCORD_TOKEN')
    await pause(700)
    expect(log.lines).toEqual([expect.stringMatching(/^error .*DISCORD_TOKEN/)])
    expect(discord.gatewayAttempts).toHaveLength(2)
  })
})

describe('a lost connection', () => {
  it('is resumed without missing an event, and logged once', async () => {
    const setup = await setUp()
    const { discord, gateway, interactions, log } = setup
    await gateway.open()
    discord.dropGateway()
    await expect.poll(() => gateway.notReady()).toBe(notConnected)
    const { id } = discord.slash('flux', { prompt: 'while away' })
    await isReady(setup)
    await expect.poll(() => interactions).toEqual([id])
    expect(handshakes(discord)).toEqual(['identify 0', 'resume 0'])
    expect(log.lines).toEqual([
      expect.stringMatching(/^info .*"code":1006.* disconnected from the Discord gateway; reconnecting$/),
      expect.stringMatching(/^info .* reconnected to the Discord gateway$/),
    ])
  })

  it('is reported once, however many attempts to reconnect fail', async () => {
    const setup = await setUp()
    const { discord, gateway, log } = setup
    await gateway.open()
    const before = discord.gatewayAttempts.length
    discord.refuseGateway(true)
    discord.dropGateway()
    await expect.poll(() => discord.gatewayAttempts.length).toBe(before + 3)
    expect(log.lines).toEqual([expect.stringMatching(/^info .* disconnected from the Discord gateway; reconnecting$/)])
    discord.refuseGateway(false)
    await isReady(setup)
    await expectAlive(setup)
    expect(log.lines.slice(1)).toEqual([expect.stringMatching(/^info .* reconnected to the Discord gateway$/)])
  })

  it('is resumed when Discord asks for that with op 7', async () => {
    const setup = await setUp()
    await setup.gateway.open()
    setup.discord.reconnectGateway()
    await isResumed(setup)
    await isReady(setup)
    await expectAlive(setup)
    expect(handshakes(setup.discord)).toEqual(['identify 0', 'resume 0'])
  })

  it('identifies again when its session is invalid', async () => {
    const setup = await setUp()
    await setup.gateway.open()
    setup.discord.invalidateSession(false)
    await expect.poll(() => handshakes(setup.discord)).toEqual(['identify 0', 'identify 0'])
    await isReady(setup)
    await expectAlive(setup)
  })

  it('resumes when its session is said to be resumable', async () => {
    const setup = await setUp()
    await setup.gateway.open()
    setup.discord.invalidateSession(true)
    await isResumed(setup)
    await isReady(setup)
    await expectAlive(setup)
  })

  it('is noticed when heartbeats are not acknowledged', async () => {
    const setup = await setUp({ heartbeatMs: 300 })
    const { discord, gateway, logged } = setup
    await gateway.open()
    discord.ignoreHeartbeats(true)
    await expect.poll(() => logged('disconnected from the Discord gateway')).not.toEqual([])
    discord.ignoreHeartbeats(false)
    await isResumed(setup)
    await isReady(setup)
    await expectAlive(setup)
  })
})

it('a connection that answers nothing more is replaced long before its own heartbeat would notice', async () => {
  const setup = await setUp({ heartbeatMs: 41_250 }, { probeMs: 100 })
  const { discord, gateway, logged } = setup
  await gateway.open()
  discord.ignoreHeartbeats(true)
  await expect.poll(() => logged('does not answer; reconnecting')).not.toEqual([])
  discord.ignoreHeartbeats(false)
  await isResumed(setup)
  await isReady(setup)
  await expectAlive(setup)
})

describe('shards in several processes', () => {
  it('receive each interaction once, and each process is ready when its own shards are', async () => {
    const setup = await setUp({ shards: 16 }, { shards: { first: 0, last: 1, count: 3 } })
    const { discord, gateway, interactions } = setup
    const elsewhere: string[] = []
    const other = createGateway({
      token: discord.token,
      apiUrl: discord.apiUrl,
      log: setup.log,
      shards: { first: 2, last: 2, count: 3 },
      database: opened.database,
      onInteraction: ({ id }) => void elsewhere.push(id),
      onMessage: () => undefined,
      onPurchase: () => undefined,
    })
    await gateway.open()
    expect(gateway.notReady()).toBeUndefined()
    expect(other.notReady()).toBe(notConnected)
    await other.open()
    expect(other.notReady()).toBeUndefined()
    expect(discord.handshakes.map(({ shard }) => shard).toSorted()).toEqual([
      [0, 3],
      [1, 3],
      [2, 3],
    ])
    const guilds = Array.from({ length: 9 }, (_, at) => String((BigInt(at + 1) << 22n) + 1_000_000n * 4_194_304n))
    const sent = guilds.map((guildId) => discord.slash('flux', { prompt: 'a fox' }, { guildId }))
    expect(sent.map(({ deliveredTo }) => deliveredTo)).toEqual(sent.map(() => 1))
    await expect.poll(() => interactions.length + elsewhere.length).toBe(9)
    expect([interactions.length, elsewhere.length]).toEqual([6, 3])
    discord.closeGateway(4000, 2)
    await expect.poll(() => other.notReady()).toBe(notConnected)
    expect(gateway.notReady()).toBeUndefined()
    await other.close()
  })
})

describe('processes that start together', () => {
  it('take turns in identifying, so that Discord refuses none', async () => {
    const first = await setUp({ shards: 16, maxConcurrency: 1 }, { shards: { first: 0, last: 0, count: 2 } })
    const { discord, log } = first
    const other = createGateway({
      token: discord.token,
      apiUrl: discord.apiUrl,
      log,
      shards: { first: 1, last: 1, count: 2 },
      database: opened.database,
      onInteraction: () => undefined,
      onMessage: () => undefined,
      onPurchase: () => undefined,
    })
    await Promise.all([first.gateway.open(), other.open()])
    expect(discord.refusedIdentifies).toEqual([])
    expect(handshakes(discord).toSorted()).toEqual(['identify 0', 'identify 1'])
    await other.close()
  })
})

describe('closing', () => {
  it('ends the session and is no longer ready', async () => {
    const { discord, gateway, log } = await setUp()
    await gateway.open()
    await gateway.close()
    await expect.poll(() => discord.connectedGateways()).toBe(0)
    expect(gateway.notReady()).toBe(notConnected)
    expect(log.lines).toEqual([])
  })

  it('does not connect again when it closes between two attempts', async () => {
    const { discord, gateway, log } = await setUp()
    await gateway.open()
    discord.refuseGateway(true)
    discord.dropGateway()
    await expect.poll(() => discord.gatewayAttempts.length).toBeGreaterThan(1)
    await expectNoMoreAttempts(discord, gateway)
    expect(log.lines).toHaveLength(1)
  })

  it('survives a socket that fails while it is being opened', async () => {
    const sockets: Duplex[] = []
    const server = createServer((_req, res) => {
      const limits = { total: 1000, remaining: 999, reset_after: 0, max_concurrency: 1 }
      res.setHeader('content-type', 'application/json')
      res.end(JSON.stringify({ url: `ws://127.0.0.1:${port}`, shards: 1, session_start_limit: limits }))
    })
    // never answers the upgrade
    server.on('upgrade', (_req, socket) => void sockets.push(socket))
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const { port } = server.address() as AddressInfo
    const { gateway } = await setUp({}, { apiUrl: `http://127.0.0.1:${port}/api` })
    const opened = expect(gateway.open()).rejects.toThrow('closed before Discord accepted')
    await expect.poll(() => sockets).toHaveLength(1)
    const closed = gateway.close()
    sockets[0]!.destroy()
    await closed
    await opened
    await new Promise((ended) => server.close(ended))
  })

  it('rejects `open` when it closes before Discord has accepted the connection', async () => {
    const { discord, gateway } = await setUp()
    discord.refuseGateway(true)
    const opened = expect(gateway.open()).rejects.toThrow('closed before Discord accepted')
    await expect.poll(() => discord.gatewayAttempts.length).toBeGreaterThan(1)
    await expectNoMoreAttempts(discord, gateway)
    await opened
  })
})
