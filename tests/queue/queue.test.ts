import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { openDatabase } from '../../src/db/open.ts'
import { createQueue } from '../../src/queue/bullmq.ts'
import { queueContract } from '../contracts/queue.ts'
import { backends, openTestDatabase, removeKeys, testQueueBackend, testRedis } from '../helpers/backends.ts'

const redisUrl = process.env.TEST_REDIS_URL
const silent = { warn: () => {}, error: () => {} }

for (const kind of backends()) {
  describe(`the queue on ${kind}`, () => {
    queueContract(async () => {
      const { database, drop } = await openTestDatabase(kind)
      const { backend, prefix, jobs, lose, cleanUp } = testQueueBackend(kind, database)
      return {
        jobs,
        lose,
        open(lanes, warnings = []) {
          const note = (data: Record<string, unknown>, message: string) =>
            void warnings.push(`${message} ${JSON.stringify(data)}`)
          return createQueue({ backend, lanes, prefix, log: { warn: note, error: note } })
        },
        async drop() {
          await cleanUp()
          await drop()
        },
      }
    })

    test('a job whose worker was killed runs on another worker once its lock has expired', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'fluxbot-test-'))
      const prefix = `test-${randomUUID()}`
      const shared = kind === 'pglite' ? undefined : await openTestDatabase(kind)
      const id = randomUUID()
      const queueAt = kind === 'redis' ? { redis: testRedis() } : {}
      const killed = worker({ url: shared?.url, dataDir: folder, ...queueAt, prefix, lane: 'main', add: id })
      await killed.prints(`has ${id}`)
      killed.process.kill('SIGKILL')
      await once(killed.process, 'exit')

      // the embedded database has one process at a time, so the other worker runs in the next process
      const database = shared?.database ?? (await openDatabase({ dataDir: folder }))
      const { backend } = testQueueBackend(kind, database)
      const queue = await createQueue({ backend, lanes: [{ name: 'main', concurrency: 1 }], prefix, log: silent })
      const taken = new Promise<string>((resolve) => {
        void queue.work(async (job) => {
          resolve(job)
          return undefined
        })
      })
      expect(await taken).toBe(id)
      await queue.close(1_000)
      await testQueueBackend(kind, database, prefix).cleanUp()
      await (shared ? shared.drop() : database.close())
      await rm(folder, { recursive: true, force: true })
    })
  })
}

// a proxy cannot stand before a cluster, which names its nodes itself
describe.skipIf(!backends().includes('redis') || testRedis().cluster)('the queue without Redis', () => {
  test('rejects new jobs at once, and recovers when Redis is back', async () => {
    const gate = await openGate(new URL(redisUrl as string))
    const prefix = `test-${randomUUID()}`
    const lanes = [{ name: 'main', concurrency: 1 }]
    const queue = await createQueue({ backend: { redisUrl: gate.url }, lanes, prefix, log: silent })
    const seen: string[] = []
    await queue.work(async (id) => {
      seen.push(id)
      return undefined
    })
    await gate.shut()
    await expect.poll(() => queue.notReady()).toContain('Cannot reach Redis')
    const startedAt = Date.now()
    await expect(queue.add({ id: randomUUID(), lane: 'main', priority: 1 })).rejects.toThrow()
    expect(Date.now() - startedAt).toBeLessThan(15_000)
    await gate.open()
    await expect.poll(() => queue.notReady()).toBeUndefined()
    const id = randomUUID()
    await queue.add({ id, lane: 'main', priority: 1 })
    await expect.poll(() => seen).toContain(id)
    await queue.close(1_000)
    await gate.shut()
    await removeKeys(prefix)
  })

  test('closes without waiting for Redis', async () => {
    const gate = await openGate(new URL(redisUrl as string))
    const lanes = [{ name: 'main', concurrency: 1 }]
    const prefix = `test-${randomUUID()}`
    const queue = await createQueue({ backend: { redisUrl: gate.url }, lanes, prefix, log: silent })
    await queue.work(async () => undefined)
    await gate.shut()
    const startedAt = Date.now()
    await queue.close(300)
    expect(Date.now() - startedAt).toBeLessThan(15_000)
    await removeKeys(prefix)
  })

  test('does not log a password that Redis refuses', async () => {
    const url = new URL(redisUrl as string)
    url.password = 'secret-word'
    const logged: string[] = []
    const note = (data: Record<string, unknown>, message: string) => void logged.push(message, JSON.stringify(data))
    const backend = { redisUrl: url.href }
    // a Redis without a password answers the login with an error and then serves us
    const queue = await createQueue({ backend, lanes: [], log: { warn: note, error: note } }).catch((error: Error) => {
      logged.push(error.message)
      return undefined
    })
    await queue?.close(0)
    expect(logged.join()).not.toContain('secret-word')
  })
})

function worker(options: Record<string, unknown>) {
  const script = fileURLToPath(new URL('child.ts', import.meta.url))
  const args = ['--import', 'tsx', script, JSON.stringify(options)]
  const process_ = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  process_.stdout.on('data', (data) => {
    output += data
  })
  return {
    process: process_,
    prints: (text: string) => expect.poll(() => output, { timeout: 60_000 }).toContain(text),
  }
}

/** A proxy to Redis that can be shut. */
async function openGate(target: URL) {
  const sockets = new Set<Socket>()
  const server = createServer((from) => {
    const to = connect(Number(target.port || 6379), target.hostname)
    for (const socket of [from, to]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        from.destroy()
        to.destroy()
        sockets.delete(socket)
      })
    }
    from.pipe(to).pipe(from)
  })
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as { port: number }).port
  }
  const port = await listen(0)
  return {
    url: `redis://127.0.0.1:${port}`,
    open: () => listen(port),
    async shut() {
      if (!server.listening) return
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
