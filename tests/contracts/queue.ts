/** Contract of all job queues. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { JobQueue } from '../../src/core/ports/queue.ts'

interface QueueSubject {
  /** Opens the same queue as another process would. `warnings`: collects its warnings. */
  open(lanes: { name: string; concurrency: number }[], warnings?: string[]): Promise<JobQueue>
  /** Number of jobs in any state that the store has a record of. */
  jobs(): Promise<number>
  /** Removes everything from the store. */
  lose(): Promise<void>
  drop(): Promise<void>
}

export function queueContract(make: () => Promise<QueueSubject>): void {
  let subject: QueueSubject
  const opened: JobQueue[] = []
  beforeAll(async () => {
    subject = await make()
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((queue) => queue.close(0)))
    await subject.lose()
  })
  afterAll(() => subject?.drop())

  const open = async (concurrency = 1, lane = 'main', warnings?: string[]) => {
    const queue = await subject.open([{ name: lane, concurrency }], warnings)
    opened.push(queue)
    return queue
  }
  const job = (priority = 10, id = randomUUID() as string) => ({ id, lane: 'main', priority })

  test('runs jobs by priority, and those of one priority by age', async () => {
    const queue = await open()
    const jobs = [job(20), job(5), job(10), job(5), job(1)]
    for (const one of jobs) await queue.add(one)
    expect(await queue.waiting('main')).toBe(5)
    const order: number[] = []
    await queue.work(async (id) => {
      order.push(jobs.findIndex((one) => one.id === id))
      return undefined
    })
    await expect.poll(() => order).toEqual([4, 1, 3, 2, 0])
  })

  test('opens a lane and changes its concurrency while it works', async () => {
    const queue = await open()
    let running = 0
    let most = 0
    const gate = new AbortController()
    await queue.work(async () => {
      most = Math.max(most, ++running)
      await sleep(10_000, undefined, { signal: gate.signal }).catch(() => undefined)
      running--
      return undefined
    })
    await queue.setLanes([{ name: 'fresh', concurrency: 1 }])
    for (let n = 0; n < 4; n++) await queue.add({ ...job(), lane: 'fresh' })
    await expect.poll(() => most).toBe(1)
    await queue.setLanes([{ name: 'fresh', concurrency: 3 }])
    await expect.poll(() => most).toBe(3)
    gate.abort()
    await expect.poll(() => queue.waiting('fresh')).toBe(0)
  })

  test('ends the pause of a job that is added again as resumed, and of no other', async () => {
    const queue = await open()
    const paused = [job(), job()]
    const order: string[] = []
    await queue.work(async (id) => {
      order.push(id)
      const first = order.filter((each) => each === id).length === 1
      return first && paused.some((one) => one.id === id) ? { retryInMs: 3_600_000 } : undefined
    })
    for (const one of paused) await queue.add(one)
    await expect.poll(() => order).toHaveLength(2)
    const last = job()
    // a worker pauses a job only after its call has resolved, so it is added until it runs
    await expect
      .poll(async () => {
        if (order.length > 2) return order.length
        await queue.add({ ...paused[0]!, resumed: true })
        await queue.add(paused[1]!)
        return order.length
      })
      .toBe(3)
    await queue.add(last)
    await expect.poll(() => order.slice(2)).toEqual([paused[0]!.id, last.id])
  })

  test('runs a resumed job before all others, also when it was added before', async () => {
    const queue = await open()
    const jobs = [job(1), job(3), job(1), job(3)]
    for (const one of jobs) await queue.add(one)
    await queue.add({ ...jobs[3]!, resumed: true })
    const order: number[] = []
    await queue.work(async (id) => {
      order.push(jobs.findIndex((one) => one.id === id))
      return undefined
    })
    await expect.poll(() => order).toEqual([3, 0, 2, 1])
  })

  test('runs a job once that is added again while it waits or runs', async () => {
    const queue = await open(4)
    const one = job()
    await Promise.all([queue.add(one), queue.add(one), queue.add(one)])
    let runs = 0
    const running = withResolvers()
    await queue.work(async (id) => {
      if (id === one.id) runs += 1
      if (id === one.id) await running.promise
      return undefined
    })
    await expect.poll(() => runs).toBe(1)
    await queue.add(one)
    const other = job()
    await queue.add(other)
    running.resolve()
    await expect.poll(() => subject.jobs()).toBe(0)
    expect(runs).toBe(1)
  })

  test('runs a job again after retryInMs and other jobs in the meantime', async () => {
    const queue = await open()
    const [polled, other] = [job(1), job(5)]
    const calls: { id: string; at: number }[] = []
    await queue.work(async (id) => {
      calls.push({ id, at: Date.now() })
      return id === polled.id && calls.filter((call) => call.id === id).length < 3 ? { retryInMs: 300.7 } : undefined
    })
    await queue.add(polled)
    await expect.poll(() => calls.length).toBe(1)
    await queue.add(other)
    await expect.poll(() => calls.length).toBe(4)
    const [first, second, third, fourth] = calls
    expect([first, second, third, fourth].map((call) => call?.id)).toEqual([polled.id, other.id, polled.id, polled.id])
    for (const wait of [third!.at - first!.at, fourth!.at - third!.at]) {
      expect(wait).toBeGreaterThanOrEqual(295)
      expect(wait).toBeLessThan(10_000)
    }
  })

  test('runs a job again that threw an error', async () => {
    const warnings: string[] = []
    const queue = await open(1, 'main', warnings)
    let calls = 0
    await queue.work(async () => {
      calls += 1
      if (calls === 1) throw new Error('broken on purpose')
      return undefined
    })
    await queue.add(job())
    await expect.poll(() => calls).toBe(2)
    expect(warnings.join()).toContain('a job threw an error')
    await expect.poll(() => subject.jobs()).toBe(0)
  })

  test('limits the concurrency of a lane across two processes', async () => {
    const [one, two] = [await open(2), await open(2)]
    let now = 0
    let most = 0
    let done = 0
    const run = async () => {
      now += 1
      most = Math.max(most, now)
      await sleep(60)
      now -= 1
      done += 1
      return undefined
    }
    await one.work(run)
    await two.work(run)
    await Promise.all(Array.from({ length: 20 }, () => one.add(job())))
    await expect.poll(() => done).toBe(20)
    expect(most).toBe(2)
  })

  test('runs the jobs of a lane while another lane is full', async () => {
    const queue = await subject.open([
      { name: 'main', concurrency: 1 },
      { name: 'other', concurrency: 1 },
    ])
    opened.push(queue)
    const slow = job()
    const seen: string[] = []
    await queue.work(async (id, signal) => {
      seen.push(id)
      if (id === slow.id) await sleep(2_000, undefined, { signal }).catch(() => {})
      return undefined
    })
    await queue.add(slow)
    await expect.poll(() => seen).toEqual([slow.id])
    const quick = { ...job(), lane: 'other' }
    await queue.add(quick)
    await expect.poll(() => seen).toContain(quick.id)
    // a lane that this process does not serve
    await queue.add({ ...job(), lane: 'nowhere' })
    expect(await queue.waiting('nowhere')).toBe(1)
  })

  test('removes finished jobs', async () => {
    const queue = await open(8)
    let done = 0
    await queue.work(async () => {
      done += 1
      return undefined
    })
    await Promise.all(Array.from({ length: 100 }, () => queue.add(job())))
    await expect.poll(() => done).toBe(100)
    await expect.poll(() => subject.jobs()).toBe(0)
    expect(await queue.waiting('main')).toBe(0)
  })

  test('lets a job finish within the grace period of close', async () => {
    const queue = await open()
    let done = false
    await queue.work(async () => {
      await sleep(400)
      done = true
      return undefined
    })
    await queue.add(job())
    await sleep(150)
    await queue.close(5_000)
    expect(done).toBe(true)
    expect(await subject.jobs()).toBe(0)
  })

  test('returns an unfinished job on close, and another process runs it at once', async () => {
    const [one, two] = [await open(), await open()]
    const held = job()
    const started = withResolvers()
    await one.work(async (_, signal) => {
      started.resolve()
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return { retryInMs: 60_000 }
    })
    await one.add(held)
    await started.promise
    const second: string[] = []
    await two.work(async (id) => {
      second.push(id)
      return undefined
    })
    const startedAt = Date.now()
    await one.close(200)
    expect(Date.now() - startedAt).toBeLessThan(10_000)
    await expect.poll(() => second).toEqual([held.id])
  })

  test('closes without waiting for a job that ignores its signal, and runs that job again', async () => {
    const [one, two] = [await open(), await open()]
    const stuck = job()
    const started = withResolvers()
    await one.work(() => {
      started.resolve()
      return new Promise(() => {})
    })
    await one.add(stuck)
    await started.promise
    const startedAt = Date.now()
    await one.close(100)
    expect(Date.now() - startedAt).toBeLessThan(10_000)
    const second: string[] = []
    await two.work(async (id) => {
      second.push(id)
      return undefined
    })
    await expect.poll(() => second).toEqual([stuck.id])
  })

  test('continues to work after the store lost everything', async () => {
    const warnings: string[] = []
    const queue = await open(2, 'main', warnings)
    const seen: string[] = []
    const running = withResolvers()
    const [lost, later] = [job(), job()]
    await queue.work(async (id) => {
      seen.push(id)
      if (id === lost.id) await running.promise
      return undefined
    })
    await queue.add(lost)
    await expect.poll(() => seen).toEqual([lost.id])
    await subject.lose()
    running.resolve()
    await queue.add(later)
    await expect.poll(() => seen).toContain(later.id)
    await queue.add(job())
    await expect.poll(() => seen.length).toBe(3)
    await expect.poll(() => warnings.length).toBeGreaterThan(0)
    expect(queue.notReady()).toBeUndefined()
  })

  test('wakes an idle worker by a notification, not by its next poll', async () => {
    const queue = await open(4)
    let wake = () => {}
    await queue.work(async () => {
      wake()
      return undefined
    })
    const times: number[] = []
    for (let n = 0; n < 9; n += 1) {
      await sleep(100)
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      const addedAt = performance.now()
      await queue.add(job())
      await woken
      times.push(performance.now() - addedAt)
    }
    // an idle worker polls every 2 s; bench/queue.ts measures the milliseconds
    expect(times.toSorted((a, b) => a - b)[4], `${times}`).toBeLessThan(1_000)
  })
}

function withResolvers() {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
