/** The shards of Discord's gateway divided between two processes, one of which is killed. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type DiscordEmulator, type Interaction, startDiscord } from '../emulators/discord/index.ts'
import { backends, createDatabase } from '../helpers/backends.ts'
import { freePort } from '../helpers/ports.ts'
import { type Service, startService } from './service.ts'

const shardCount = 3
const each = 20

describe.skipIf(!backends().includes('postgres'))('three shards in two processes', () => {
  const stops: (() => unknown)[] = []
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop()
  })

  async function open() {
    const discord = await startDiscord({ shards: shardCount, maxConcurrency: shardCount })
    const { url, drop } = await createDatabase()
    const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-shards-'))
    stops.push(
      drop,
      () => discord.stop(),
      () => rm(dataDir, { recursive: true, force: true }),
    )
    const start = async (shards: string): Promise<{ service: Service; status: () => Promise<number | undefined> }> => {
      const port = await freePort()
      const service = startService({
        DATA_DIR: dataDir,
        DATABASE_URL: url,
        SECRET_KEY: 'a secret for the chaos run, 32 long',
        LOG_LEVEL: 'warn',
        ROLES: 'bots',
        PORT: String(port),
        DISCORD_TOKEN: discord.token,
        DISCORD_API_URL: discord.apiUrl,
        SHARDS: shards,
      })
      stops.push(() => service.kill())
      const status = () =>
        fetch(`http://127.0.0.1:${port}/readyz`).then(
          ({ status: answered }) => answered,
          () => undefined,
        )
      return { service, status }
    }
    return { discord, start }
  }

  /** So many interactions on each shard, each from another guild and person. */
  function ask(discord: DiscordEmulator, shards: readonly number[], round: number): Interaction[] {
    return shards.flatMap((shard) =>
      Array.from({ length: each }, (_, at) => {
        const number = BigInt((round * each + at) * shardCount + shard) + 900_000_000_000n
        const shifted = (number - (number % BigInt(shardCount)) + BigInt(shard)) << 22n
        return discord.slash('models', {}, { guildId: String(shifted), userId: String(shifted + 1n) })
      }),
    )
  }

  async function expectOneAnswerEach(discord: DiscordEmulator, asked: readonly Interaction[]): Promise<void> {
    await Promise.all(asked.map((interaction) => interaction.waitForReply()))
    for (const interaction of asked) {
      const { id } = interaction
      const taken = discord.requests.filter(
        ({ path, status }) => path.startsWith(`/interactions/${id}/`) && status < 300,
      )
      expect(taken).toHaveLength(1)
      expect(interaction.followUps()).toEqual([])
    }
  }

  it('answer each interaction once, and each is ready for its own shards', { timeout: 600_000 }, async () => {
    const { discord, start } = await open()
    const [two, one] = await Promise.all([start('0-1/3'), start('2-2/3')])
    await Promise.all([two.service.ready, one.service.ready])
    expect(discord.handshakes.map(({ shard }) => shard?.join(' of ')).toSorted()).toEqual([
      '0 of 3',
      '1 of 3',
      '2 of 3',
    ])
    await expect.poll(async () => [await two.status(), await one.status()]).toEqual([200, 200])
    await expectOneAnswerEach(discord, ask(discord, [0, 1, 2], 0))

    // one shard of the first process cannot connect again: only that process is not ready
    discord.refuseGateway(true)
    discord.closeGateway(4000, 1)
    await expect.poll(two.status).toBe(503)
    expect(await one.status()).toBe(200)
    discord.refuseGateway(false)
    await expect.poll(two.status).toBe(200)

    await one.service.kill()
    await expect.poll(() => discord.connectedGateways()).toBe(2)
    expect([await two.status(), await one.status()]).toEqual([200, undefined])
    const lost = ask(discord, [2], 2)
    await expectOneAnswerEach(discord, ask(discord, [0, 1], 1))
    expect(lost.map(({ acknowledgedWith }) => acknowledgedWith)).toEqual(lost.map(() => undefined))

    // started again, it is ready once its shard is connected, and not before
    discord.refuseGateway(true)
    const again = await start('2-2/3')
    await expect.poll(again.status).toBe(503)
    expect(await two.status()).toBe(200)
    discord.refuseGateway(false)
    await expect.poll(again.status).toBe(200)
    await again.service.ready
    await expectOneAnswerEach(discord, ask(discord, [0, 1, 2], 3))
    expect(discord.violations).toEqual([])
  })
})
