/** The behaviour that every image provider must show. */
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../src/core/errors.ts'
import type { ImageProvider, Progress, Task } from '../../src/core/ports/providers.ts'
import type { Json } from '../../src/db/json.ts'
import type { HarnessOptions, OpenProvider, ProviderHarness } from '../helpers/providers/harness.ts'

const timeoutMs = 20_000

export function providerContract(harness: ProviderHarness): void {
  describe(`the provider ${harness.name}`, () => {
    const opened: OpenProvider[] = []
    const open = async (options?: HarnessOptions) => {
      const one = await harness.open(options)
      opened.push(one)
      return one
    }
    afterEach(async () => {
      for (const one of opened.splice(0)) await one.close()
    })

    it('draws the requested picture with one submission', async () => {
      const { provider, task, accepted } = await open()
      const { images } = await finish(provider, task('a cute cat'))
      expect(images).toHaveLength(1)
      const { width = 0, height = 0, format = '' } = await sharp(images[0]).metadata()
      expect(['png', 'jpeg', 'webp']).toContain(format)
      expect(Math.min(width, height)).toBeGreaterThanOrEqual(256)
      expect(accepted()).toBe(1)
    })

    it('reports a wrong key as a fault of the account, before anything ran', async () => {
      const { provider, task, accepted, key } = await open({ wrongKey: true })
      if (key === undefined) return
      const error = await failure(finish(provider, task('a cute cat')))
      expect(error).toMatchObject({ kind: 'provider_account', neverRan: true })
      expect(accepted()).toBe(0)
    })

    it('reports refused content as moderated', async () => {
      const { provider, task, phases } = await open()
      if (!phases.submit || harness.name === 'comfyui') return
      expect(await failure(finish(provider, task('nsfw')))).toMatchObject({ kind: 'moderated' })
    })

    it('resumes from the ticket in another process', async () => {
      const { provider, task, accepted, createAnother } = await open({ workMs: 300 })
      const work = task('a cute cat')
      const signal = AbortSignal.timeout(timeoutMs)
      const started = await provider.start(work, signal)
      if (started.state === 'done') return
      const ticket = JSON.parse(JSON.stringify(started.ticket)) as Json
      const other = createAnother()
      const { images } = await finish(other, work, ticket)
      await other.close?.()
      expect(images).toHaveLength(1)
      expect(accepted()).toBe(1)
    })

    it('stops at once when its signal aborts', async () => {
      const { provider, task } = await open({ workMs: 5_000 })
      const controller = new AbortController()
      const work = finish(provider, task('a cute cat'), undefined, controller.signal)
      setTimeout(() => controller.abort(new Error('aborted')), 100)
      const before = Date.now()
      await expect(work).rejects.toThrow()
      expect(Date.now() - before).toBeLessThan(2_000)
    })

    it('never submits again when the response to a submission is lost', async () => {
      const { provider, task, faults, phases, accepted } = await open()
      const match = phases.submit
      faults.add({ kind: 'dropAfter', match, times: 1 })
      const work = task('a cute cat')
      const error = await failure(finish(provider, work))
      expect(error.neverRan).toBe(false)
      expect(accepted()).toBe(1)
      const found = await provider.find?.(work, AbortSignal.timeout(timeoutMs)).catch((thrown: AppError) => thrown.kind)
      if (typeof found === 'object') {
        const done = found.state === 'done' ? found : await finish(provider, work, found.ticket)
        expect(done.images).toHaveLength(1)
      } else expect([undefined, 'unknown', 'unresolved']).toContain(found)
      expect(accepted()).toBe(1)
    })

    it('reports that nothing ran when no server is listening', async () => {
      const { task, close, createAnother } = await open()
      const provider = createAnother()
      const work = task('a cute cat')
      opened.length = 0
      await close()
      const error = await failure(finish(provider, work))
      expect(error).toMatchObject({ kind: 'provider_failed', neverRan: true })
      await provider.close?.()
    })

    it('tests address and key at no cost', async () => {
      const { provider, accepted } = await open()
      await provider.test?.(AbortSignal.timeout(timeoutMs))
      expect(accepted()).toBe(0)
      const wrong = await open({ wrongKey: true })
      if (wrong.key === undefined || !wrong.provider.test) return
      const error = await failure(wrong.provider.test(AbortSignal.timeout(timeoutMs)))
      expect(error.kind).toBe('provider_account')
      expect(wrong.accepted()).toBe(0)
    })

    it('limits the memory it uses for huge and endless responses', async () => {
      for (const kind of ['gzipBomb', 'endless', 'hugeLength'] as const) {
        const { provider, task, faults, phases } = await open()
        const phase = phases.download ?? phases.result ?? phases.submit
        faults.add({ kind, match: phase })
        const peakMegabytes = watchMemory()
        await failure(finish(provider, task('a cute cat'), undefined, AbortSignal.timeout(2_000))).catch(
          () => undefined,
        )
        expect(peakMegabytes(), kind).toBeLessThan(64)
      }
    })

    it('accepts a cancellation that comes late or twice', async () => {
      const { provider, task } = await open({ workMs: 400 })
      const started = await provider.start(task('a cute cat'), AbortSignal.timeout(timeoutMs))
      if (started.state === 'done' || !provider.cancel) return
      await provider.cancel(started.ticket)
      await provider.cancel(started.ticket)
    })

    it.each(['500', '502html', 'dropBefore', 'garbage', '429'] as const)(
      'keeps its key out of the error after %s',
      async (kind) => {
        const { provider, task, faults, key } = await open()
        faults.add({ kind, retryAfterSeconds: 0 })
        const error = await failure(finish(provider, task('a cute cat')))
        const everything = inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error.data)
        expect(everything).not.toContain(key ?? 'this provider has no key')
      },
    )
  })
}

/** Returns a function that stops watching and returns the peak growth of buffers in MB. */
function watchMemory(): () => number {
  const now = () => process.memoryUsage().arrayBuffers
  const before = now()
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, now())
  }, 2)
  return () => {
    clearInterval(timer)
    return (Math.max(most, now()) - before) / 1024 / 1024
  }
}

/** Starts the task, or resumes it from `ticket`, and checks it until it is done. */
export async function finish(
  provider: ImageProvider,
  task: Task,
  ticket?: Json,
  signal: AbortSignal = AbortSignal.timeout(timeoutMs),
): Promise<Extract<Progress, { state: 'done' }>> {
  const ended = new AbortController()
  const both = AbortSignal.any([signal, ended.signal])
  try {
    let progress = ticket === undefined ? await provider.start(task, both) : await provider.check!(ticket, task, both)
    while (progress.state === 'pending') {
      await sleep(Math.max(5, progress.waitMs), undefined, { signal: both })
      progress = await provider.check!(progress.ticket, task, both)
    }
    return progress
  } finally {
    ended.abort()
  }
}

/** The AppError that the work rejects with. Throws when it resolves, or rejects with anything else. */
export async function failure(work: Promise<unknown>): Promise<AppError> {
  const outcome = await work.then(
    () => new Error('expected an AppError, but the work succeeded'),
    (error: unknown) => error,
  )
  if (outcome instanceof AppError) return outcome
  throw outcome
}
