import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import type { JobQueue } from '../../src/core/ports/queue.ts'
import { createQueue } from '../../src/queue/bullmq.ts'
import type { RedisAddress } from '../../src/queue/redis.ts'
import { openTestDatabase, quickest } from '../helpers/backends.ts'
import { openTestCore } from '../helpers/core.ts'
import { noRedis, type OwnCluster, startCluster, startRedis } from '../helpers/redis.ts'

const silent = { warn: () => {}, error: () => {} }
const lanes = ['fal', 'cloudflare', 'comfyui', 'ark', 'dashscope', 'sketch'].map((name) => ({ name, concurrency: 2 }))

describe.skipIf(noRedis !== undefined)(`a cluster of Redis${noRedis ? ` (skipped: ${noRedis})` : ''}`, () => {
  let cluster: OwnCluster
  let address: RedisAddress
  const opened: JobQueue[] = []
  beforeAll(async () => {
    cluster = await startCluster()
    address = { redisUrl: cluster.url, cluster: true }
  })
  afterAll(async () => {
    await Promise.all(opened.map((queue) => queue.close(0)))
    await cluster?.stop()
  })
  const open = async (backend: RedisAddress, prefix = `test-${randomUUID()}`) => {
    const queue = await createQueue({ backend, lanes, prefix, log: silent })
    opened.push(queue)
    return queue
  }

  test('runs jobs of every lane, whose keys share a slot, and spreads the lanes over the nodes', async () => {
    const prefix = `test-${randomUUID()}`
    const queue = await open(address, prefix)
    const waiting = lanes.map(({ name }) => ({ id: randomUUID(), lane: name, priority: 1 }))
    await Promise.all(waiting.map((job) => queue.add(job)))
    expect(await queue.waiting('fal')).toBe(1)

    const keys = await Promise.all(cluster.nodes.map((node) => node.run('keys', `${prefix}:*`) as Promise<string[]>))
    const lanesOf = (list: string[]) =>
      new Set(list.map((key) => /\{fluxbot-(\w+)\}/.exec(key)?.[1] ?? `no tag: ${key}`))
    const held = keys.map(lanesOf)
    expect(held.filter((names) => names.size > 0).length).toBeGreaterThan(1)
    expect(held.flatMap((names) => [...names]).sort()).toEqual(
      [...new Set(keys.flatMap((list) => [...lanesOf(list)]))].sort(),
    )
    const nodesOf = (name: string) => held.filter((names) => names.has(name)).length
    expect(lanes.map(({ name }) => nodesOf(name))).toEqual(lanes.map(() => 1))
    expect(keys.flat().filter((key) => !key.includes('{fluxbot-'))).toEqual([])

    const seen: string[] = []
    await queue.work(async (id) => {
      seen.push(id)
      return undefined
    })
    await expect.poll(() => seen.toSorted()).toEqual(waiting.map(({ id }) => id).sort())
    expect(queue.notReady()).toBeUndefined()
  })

  test('serves a request from the words to the picture', async () => {
    const service = await openTestCore(quickest, { redis: address })
    await service.work()
    expect(await service.ended(await service.say('a cat'))).toBe('delivered')
    expect(service.core.queue.notReady()).toBeUndefined()
    await service.close()
  })

  test('is used with the prefix of the settings', async () => {
    const { database, drop } = await openTestDatabase(quickest)
    const folder = await mkdtemp(join(tmpdir(), 'fluxbot-cluster-'))
    const redis = { REDIS_URL: cluster.url, REDIS_CLUSTER: 'true', REDIS_PREFIX: 'other' }
    const config = readConfig({ DATA_DIR: folder, LOG_LEVEL: 'silent', SECRET_KEY: 's'.repeat(32), ...redis })
    const { close } = await compose(config, { database, surfaces: () => [] })
    const keys = await Promise.all(cluster.nodes.map((node) => node.run('keys', '*') as Promise<string[]>))
    expect(keys.flat()).toContain('other:{fluxbot-sketch}:meta')
    await close()
    await drop()
    await rm(folder, { recursive: true, force: true })
  })

  test('stops the start without REDIS_CLUSTER, and says what to set', async () => {
    await expect(open({ redisUrl: cluster.nodes[0]!.url })).rejects.toThrow(
      /^Cannot use Redis at .*(MOVED|CROSSSLOT).* set REDIS_CLUSTER=true/,
    )
  })

  test('stops the start with REDIS_CLUSTER if the server is not part of one', async () => {
    const redis = await startRedis()
    await expect(open({ redisUrl: redis.url, cluster: true })).rejects.toThrow(/It is no cluster: remove REDIS_CLUSTER/)
    await redis.stop()
  })

  test('is not ready while a node hangs, and works again afterwards', async () => {
    const queue = await open(address)
    await cluster.nodes[2]!.kill('SIGSTOP')
    const adding = Promise.allSettled(lanes.map(({ name }) => queue.add({ id: randomUUID(), lane: name, priority: 1 })))
    await expect.poll(() => queue.notReady()).toMatch(/^The queue does not take jobs: |^Cannot reach Redis/)
    await adding
    await cluster.nodes[2]!.kill('SIGCONT')
    await expect.poll(() => queue.notReady()).toBeUndefined()
    for (const { name } of lanes) await queue.add({ id: randomUUID(), lane: name, priority: 1 })
  })
})
