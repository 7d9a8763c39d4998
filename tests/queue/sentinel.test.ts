import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createQueue } from '../../src/queue/bullmq.ts'
import { quickest } from '../helpers/backends.ts'
import { openTestCore } from '../helpers/core.ts'
import { noRedis, type OwnSentinels, startSentinels } from '../helpers/redis.ts'

const silent = { warn: () => {}, error: () => {} }

describe.skipIf(noRedis !== undefined)(`Redis behind sentinels${noRedis ? ` (skipped: ${noRedis})` : ''}`, () => {
  let sentinels: OwnSentinels
  beforeEach(async () => {
    sentinels = await startSentinels('a-password')
  })
  afterEach(() => sentinels.stop())

  const address = () => ({ redisUrl: sentinels.url, sentinel: sentinels.name })
  const primary = async () => {
    const url = await sentinels.primary()
    return sentinels.servers.find((server) => server.url === url)
  }

  test.each(['SIGKILL', 'SIGSTOP'] as const)('goes on after its primary got %s', async (signal) => {
    const service = await openTestCore(quickest, { redis: address(), limits: { deadlineMs: 120_000 } })
    await service.work()
    expect(await service.ended(await service.say('before'))).toBe('delivered')
    const old = await primary()
    await old?.kill(signal)
    const call = await service.say('meanwhile')
    await expect.poll(() => service.core.queue.notReady()).not.toBeUndefined()
    expect(await service.ended(call)).toBe('delivered')
    expect(await sentinels.primary()).not.toBe(old?.url)
    await expect.poll(() => service.core.queue.notReady()).toBeUndefined()
    expect(await service.ended(await service.say('after'))).toBe('delivered')

    if (signal === 'SIGSTOP') {
      // the old primary comes back as a replica, and no connection stays with it
      await old?.kill('SIGCONT')
      await expect.poll(async () => String(await old?.run('info', 'replication'))).toContain('role:slave')
      expect(await service.ended(await service.say('at last'))).toBe('delivered')
    }
    await service.close()
  })

  test('stops the start if the sentinels know no primary of this name', async () => {
    const backend = { redisUrl: sentinels.url, sentinel: 'other' }
    const opening = createQueue({ backend, lanes: [], prefix: randomUUID(), log: silent })
    await expect(opening).rejects.toThrow(
      /^Cannot reach Redis at other of the sentinels .* Check REDIS_URL, REDIS_SENTINEL/,
    )
    await expect(opening).rejects.not.toThrow('a-password')
  })
})
