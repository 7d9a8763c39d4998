import { describe, expect, it } from 'vitest'
import { failure } from '../../contracts/provider.ts'
import { dashscopeFixture } from '../../helpers/providers/dashscope.ts'

const { open, begin, finish, bodiesOf } = dashscopeFixture()
const never = new AbortController().signal

describe('a task of DashScope', () => {
  it('is polled until it is done', async () => {
    const dashscope = await open('async', { pace: 'usual' })
    dashscope.emulator.tasks.hold = 'PENDING'
    const task = dashscope.task('a cat')
    const begun = await begin(dashscope, task)
    expect(begun.waitMs).toBe(3000)
    expect(dashscope.requests[0]?.path).toBe('/api/v1/services/aigc/image-generation/generation')
    const waiting = await dashscope.provider.check?.(begun.ticket, task, never)
    expect(waiting).toMatchObject({ state: 'pending', ticket: begun.ticket, waitMs: 3000 })
    dashscope.emulator.tasks.hold = 'RUNNING'
    expect(await dashscope.provider.check?.(begun.ticket, task, never)).toMatchObject({ state: 'pending' })
    dashscope.emulator.tasks.hold = undefined
    expect(await dashscope.provider.check?.(begun.ticket, task, never)).toMatchObject({ state: 'done' })
    const [created] = dashscope.emulator.tasks.all()
    const path = `/api/v1/tasks/${created?.id}`
    expect(dashscope.requests.slice(1, 4).map((each) => `${each.method} ${each.path}`)).toEqual(
      Array(3).fill(`GET ${path}`),
    )
  })

  it('is polled more rarely the longer it takes', async () => {
    const dashscope = await open('async', { pace: 'usual' })
    dashscope.emulator.tasks.hold = 'RUNNING'
    const task = dashscope.task('a cat')
    const { ticket } = await begin(dashscope, task)
    const waitAfter = async (ms: number) => {
      const older = { ...(ticket as { taskId: string }), since: Date.now() - ms }
      const progress = await dashscope.provider.check?.(older, task, never)
      return progress?.state === 'pending' ? progress.waitMs : undefined
    }
    const waitMs = await waitAfter(30_000)
    expect(waitMs).toBeGreaterThanOrEqual(6_000)
    expect(waitMs).toBeLessThan(9_000)
    expect(await waitAfter(600_000)).toBe(10_000)
  })

  it('goes on after polls that fail', async () => {
    const dashscope = await open('async')
    const task = dashscope.task('a cat')
    const { ticket } = await begin(dashscope, task)
    dashscope.faults.add({ kind: 'garbage', times: 1, match: { method: 'GET' } })
    dashscope.faults.add({ kind: '502html', times: 1, match: { method: 'GET' } })
    expect(await dashscope.provider.check?.(ticket, task, never)).toMatchObject({ state: 'done' })
    dashscope.faults.add({ kind: '500', match: { path: /tasks/ } })
    const error = await failure(dashscope.provider.check!(ticket, task, never))
    expect(error).toMatchObject({ kind: 'provider_failed', retry: true, neverRan: false })
    expect(dashscope.accepted()).toBe(1)
  })

  it('goes on after a poll that timed out', async () => {
    const dashscope = await open('async')
    const task = dashscope.task('a cat')
    const { ticket } = await begin(dashscope, task)
    const removeFault = dashscope.faults.add({ kind: 'hang', match: { path: /tasks/ } })
    const error = await failure(dashscope.provider.check!(ticket, task, never))
    expect(error).toMatchObject({ kind: 'provider_failed', retry: true, neverRan: false })
    removeFault()
    expect(await dashscope.provider.check?.(ticket, task, never)).toMatchObject({ state: 'done' })
    expect(dashscope.accepted()).toBe(1)
  })

  it('is unresolved once DashScope has forgotten it', async () => {
    const dashscope = await open('async')
    const task = dashscope.task('a cat')
    const { ticket } = await begin(dashscope, task)
    dashscope.emulator.expire()
    expect(await failure(dashscope.provider.check!(ticket, task, never))).toMatchObject({
      kind: 'unresolved',
      neverRan: false,
    })
  })

  it('is not said to have never run when no server is listening', async () => {
    const dashscope = await open('async')
    const task = dashscope.task('a cat')
    const { ticket } = await begin(dashscope, task)
    await dashscope.emulator.stop()
    expect(await failure(dashscope.provider.check!(ticket, task, never))).toMatchObject({
      kind: 'provider_failed',
      neverRan: false,
    })
  })

  it('can be cancelled while it is queued; a later cancellation changes nothing', async () => {
    const dashscope = await open('async')
    dashscope.emulator.tasks.hold = 'PENDING'
    const [waiting, running] = [dashscope.task('first'), dashscope.task('second')]
    const [first, second] = [await begin(dashscope, waiting), await begin(dashscope, running)]
    await dashscope.provider.cancel?.(first.ticket)
    dashscope.emulator.tasks.hold = undefined
    await dashscope.provider.cancel?.(second.ticket)
    expect(await failure(dashscope.provider.check!(first.ticket, waiting, never))).toMatchObject({ kind: 'cancelled' })
    expect(await dashscope.provider.check?.(second.ticket, running, never)).toMatchObject({ state: 'done' })
    expect(dashscope.accepted()).toBe(1)
  })

  it('is created for old models in the oldest form', async () => {
    const dashscope = await open('old')
    await finish(dashscope, dashscope.task('a cat'))
    expect(dashscope.requests[0]?.path).toBe('/api/v1/services/aigc/text2image/image-synthesis')
    expect(bodiesOf(dashscope)[0]).toMatchObject({ model: 'wan2.2-t2i-flash', input: { prompt: 'a cat' } })
  })
})
