import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createQueue } from '../../src/queue/bullmq.ts'
import { noRedis, type OwnRedis, startRedis } from '../helpers/redis.ts'

const silent = { warn: () => {}, error: () => {} }

interface Refusal {
  name: string
  begin(redis: OwnRedis): Promise<unknown>
  end(redis: OwnRedis): Promise<unknown>
  says: RegExp
}

const allowAll = ({ run }: OwnRedis) => run('acl', 'setuser', 'default', '+@all')
const refusals: Refusal[] = [
  {
    name: 'has no free memory',
    begin: ({ run }) => run('config', 'set', 'maxmemory', '1'),
    end: ({ run }) => run('config', 'set', 'maxmemory', '0'),
    says: /^(The queue does not take jobs|Workers get no jobs).*OOM/,
  },
  {
    name: 'has become a replica',
    begin: ({ run }) => run('replicaof', '127.0.0.1', '1'),
    end: ({ run }) => run('replicaof', 'no', 'one'),
    says: /^(The queue does not take jobs|Workers get no jobs).*READONLY/,
  },
  {
    name: 'refuses scripts and takes single writes',
    begin: ({ run }) => run('acl', 'setuser', 'default', '-evalsha', '-eval'),
    end: allowAll,
    says: /^(The queue does not take jobs|Workers get no jobs).*NOPERM/,
  },
  {
    name: 'has forgotten its scripts and refuses to learn them',
    async begin({ run }) {
      await run('acl', 'setuser', 'default', '-eval')
      await run('script', 'flush')
    },
    end: allowAll,
    says: /^(The queue does not take jobs|Workers get no jobs).*NOPERM/,
  },
  {
    name: 'refuses what a script does',
    begin: ({ run }) => run('acl', 'setuser', 'default', '-zadd'),
    end: allowAll,
    says: /^(The queue does not take jobs|Workers get no jobs).*can't run this command/,
  },
  {
    name: 'does not let workers wait for jobs',
    begin: ({ run }) => run('acl', 'setuser', 'default', '-bzpopmin'),
    end: allowAll,
    says: /^Workers get no jobs from Redis at 127\.0\.0\.1:\d+: NOPERM/,
  },
]

describe.skipIf(noRedis !== undefined)(`readiness without requests${noRedis ? ` (skipped: ${noRedis})` : ''}`, () => {
  test.concurrent.for(refusals)('is lost while Redis $name, and returns', async ({ begin, end, says }, { expect }) => {
    const redis = await startRedis()
    const lanes = [{ name: 'main', concurrency: 1 }]
    const queue = await createQueue({ backend: { redisUrl: redis.url }, lanes, log: silent })
    const seen: string[] = []
    await queue.work(async (id) => {
      seen.push(id)
      return undefined
    })
    expect(queue.notReady()).toBeUndefined()
    await begin(redis)
    await expect.poll(() => queue.notReady()).toMatch(says)
    await end(redis)
    await expect.poll(() => queue.notReady()).toBeUndefined()
    const id = randomUUID()
    await queue.add({ id, lane: 'main', priority: 1 })
    await expect.poll(() => seen).toEqual([id])
    await queue.close(0)
    await redis.stop()
  })

  test('stops the start if Redis refuses scripts', async () => {
    const redis = await startRedis()
    await redis.run('acl', 'setuser', 'default', '-evalsha', '-eval')
    const lanes = [{ name: 'main', concurrency: 1 }]
    await expect(createQueue({ backend: { redisUrl: redis.url }, lanes, log: silent })).rejects.toThrow(
      /NOPERM.*docs\/operations\.md has the rights/,
    )
    await redis.stop()
  })

  test('needs no more rights than docs/operations.md lists', async () => {
    const guide = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
    const rights = /^ACL SETUSER fluxbot (.*)$/m.exec(guide)?.[1]?.split(' ') ?? []
    const redis = await startRedis()
    await redis.run('acl', 'setuser', 'fluxbot', ...rights)
    const url = new URL(redis.url)
    Object.assign(url, { username: 'fluxbot', password: 'password' })
    const warnings: string[] = []
    const note = (data: object, message: string) => void warnings.push(`${message} ${JSON.stringify(data)}`)
    const lanes = [{ name: 'main', concurrency: 2 }]
    const queue = await createQueue({ backend: { redisUrl: url.href }, lanes, log: { warn: note, error: note } })
    const [first, later] = [randomUUID(), randomUUID()]
    const seen: string[] = []
    await queue.add({ id: first, lane: 'main', priority: 1 })
    await queue.work(async (id) => {
      seen.push(id)
      return seen.length === 1 ? { retryInMs: 10 } : undefined
    })
    await expect.poll(() => seen).toEqual([first, first])
    await queue.add({ id: later, lane: 'main', priority: 1, resumed: true })
    await expect.poll(() => seen).toEqual([first, first, later])
    expect(await queue.waiting('main')).toBe(0)
    await queue.close(0)
    await redis.stop()
    expect(warnings).toEqual([])
  })
})
