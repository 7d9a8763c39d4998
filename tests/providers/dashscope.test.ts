import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../src/core/errors.ts'
import type { ImageFile } from '../../src/core/ports/images.ts'
import type { Progress, Task } from '../../src/core/ports/providers.ts'
import type { Json } from '../../src/db/json.ts'
import { picture } from '../emulators/pictures.ts'
import {
  type OpenDashscope,
  openDashscope,
  openDashscopeAsync,
  openDashscopeOld,
} from '../helpers/providers/dashscope.ts'

const never = new AbortController().signal
const opened: OpenDashscope[] = []
const small = { picture: () => picture(64, 48, 'png') }
const openers = { sync: openDashscope, async: openDashscopeAsync, old: openDashscopeOld }
type Protocol = keyof typeof openers

async function open(protocol: Protocol, options = {}): Promise<OpenDashscope> {
  const fresh = await openers[protocol]({ ...small, ...options })
  opened.push(fresh)
  return fresh
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()))
})

async function failure(work: Promise<unknown> | undefined): Promise<AppError> {
  const error: unknown = await Promise.resolve(work).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof AppError)) throw new Error(`no AppError: ${error}`)
  return error
}

/** As `perform` does, without the pauses. */
async function finish({ provider }: OpenDashscope, task: Task): Promise<Extract<Progress, { state: 'done' }>> {
  let progress = await provider.start(task, never)
  while (progress.state === 'pending') {
    if (!provider.check) throw new Error('cannot be asked')
    progress = await provider.check(progress.ticket, task, never)
  }
  return progress
}

async function begin({ provider }: OpenDashscope, task: Task): Promise<Extract<Progress, { state: 'pending' }>> {
  const progress = await provider.start(task, never)
  if (progress.state !== 'pending') throw new Error('not pending')
  return progress
}

const bodiesOf = ({ requests }: OpenDashscope) =>
  requests
    .filter(({ method, body }) => method === 'POST' && body.length > 0)
    .map(({ body }) => JSON.parse(String(body)))

const photo: ImageFile = { data: await picture(64, 64, 'png'), type: 'image/png', width: 64, height: 64 }

describe.each(['sync', 'async', 'old'] as const)('DashScope, %s', (protocol) => {
  it('asks once and fetches the whole link without the key', async () => {
    const there = await open(protocol)
    const { images, notes } = await finish(there, there.task('a cat'))
    expect(await sharp(images[0]).metadata()).toMatchObject({ format: 'png', width: 64, height: 48 })
    expect([images.length, notes]).toEqual([1, []])
    expect([there.emulator.accepted(), there.emulator.billed()]).toEqual([1, 1])
    const header = there.requests[0]?.headers['x-dashscope-async']
    expect(header).toBe(protocol === 'sync' ? undefined : 'enable')
    expect(there.requests.at(-1)?.path).toMatch(/^\/dashscope-result\//)
    expect(there.requests.at(-1)?.headers.authorization).toBeUndefined()
    expect(there.requests[0]?.headers.authorization).toBe(`Bearer ${there.key}`)
  })

  it('draws as many as asked', async () => {
    const there = await open(protocol)
    const { images } = await finish(there, there.task('a cat', { count: 2 }))
    expect([images.length, there.emulator.billed()]).toEqual([2, 2])
  })

  it('says so when one of several is missing', async () => {
    const there = await open(protocol)
    const { images, notes } = await finish(there, there.task('a cat onefails', { count: 3 }))
    expect(images).toHaveLength(2)
    expect(notes).toEqual([{ kind: 'some_missing', data: { count: 2, asked: 3 } }])
  })

  it.each([
    ['nsfw', 'moderated'],
    ['nsfwout', 'moderated'],
    ['broken', 'provider_failed'],
  ])('ends %s as %s, unpaid', async (prompt, kind) => {
    const there = await open(protocol)
    // in one call it is said with status 500, which proves nothing
    const neverRan = prompt !== 'broken' || protocol !== 'sync'
    expect(await failure(finish(there, there.task(prompt)))).toMatchObject({ kind, neverRan })
    expect(there.accepted()).toBe(0)
  })

  it('does not say that nothing ran where a known error comes with 500', async () => {
    const there = await open(protocol)
    const error = await failure(there.provider.start(there.task('paidfor'), never))
    expect(error).toMatchObject({ kind: 'provider_failed', neverRan: false })
    expect([there.accepted(), there.requests.length]).toEqual([1, 1])
  })

  it.each([
    ['overdue', 'provider_account'],
    ['quotaExceeded', 'provider_quota'],
    ['overloaded', 'provider_busy'],
  ] as const)('tells %s as %s', async (name, kind) => {
    const there = await open(protocol)
    there.emulator.switches[name] = true
    expect(await failure(finish(there, there.task('a')))).toMatchObject({ kind, neverRan: true })
  })

  it('is refused with a key of another region, and does not say it', async () => {
    const there = await open(protocol, { wrongKey: true })
    const error = await failure(finish(there, there.task('a')))
    expect(error).toMatchObject({ kind: 'provider_account', neverRan: true })
    expect(`${error.message}${error.cause}`).not.toContain(there.key)
  })

  it('passes on what the provider says of a wrong parameter', async () => {
    const there = await open(protocol)
    const task = there.task('a')
    const input = { ...(task.input as Record<string, Json>), parameters: { n: 1, steps: 3 } }
    const error = await failure(finish(there, { ...task, input }))
    expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
    expect(error.data.reason).toContain('parameters.steps')
  })

  it('does not ask twice when the answer is lost', async () => {
    const there = await open(protocol)
    there.faults.add({ kind: 'dropAfter', match: { method: 'POST' } })
    expect(await failure(finish(there, there.task('a')))).toMatchObject({ kind: 'provider_failed', neverRan: false })
    expect([there.requests.length, there.accepted()]).toEqual([1, 1])
  })
})

describe('DashScope in one call', () => {
  it('names what it wants as Qwen documents it', async () => {
    const there = await open('sync')
    await finish(there, there.task('a cat'))
    expect(there.requests[0]?.path).toBe('/api/v1/services/aigc/multimodal-generation/generation')
    expect(bodiesOf(there)).toEqual([
      {
        model: 'qwen-image-plus',
        input: { messages: [{ role: 'user', content: [{ text: 'a cat' }] }] },
        parameters: { size: '1328*1328', n: 1, prompt_extend: false, watermark: false },
      },
    ])
  })

  it('puts the pictures before the words', async () => {
    const there = await open('sync')
    await finish(there, {
      ...there.task('at night', { images: [photo, photo] }),
      imageUrls: ['https://ours.example/1?a=1&b=2'],
    })
    const [{ input, model }] = bodiesOf(there)
    expect(model).toBe('qwen-image-edit-plus')
    expect(input.messages[0].content).toEqual([
      { image: 'https://ours.example/1?a=1&b=2' },
      { image: `data:image/png;base64,${photo.data.toString('base64')}` },
      { text: 'at night' },
    ])
  })

  it('understands an error that comes with status 200', async () => {
    const there = await open('sync')
    const error = await failure(finish(there, there.task('softly nsfwout')))
    expect(error).toMatchObject({ kind: 'moderated', neverRan: true })
    expect(there.requests[0]?.status).toBe(200)
  })

  it('fetches a paid picture later when its host is away', async () => {
    const there = await open('sync')
    const mend = there.faults.add({ kind: '500', match: { method: 'GET' } })
    const task = there.task('a cat')
    const { ticket } = await begin(there, task)
    mend()
    expect(await there.provider.check?.(ticket, task, never)).toMatchObject({ state: 'done' })
    expect(there.accepted()).toBe(1)
  })
})

describe("DashScope's tasks", () => {
  it('are asked after by their id until they are done', async () => {
    const there = await open('async', { pace: 'usual' })
    there.emulator.tasks.hold = 'PENDING'
    const task = there.task('a cat')
    const begun = await begin(there, task)
    expect(begun.waitMs).toBe(3000)
    expect(there.requests[0]?.path).toBe('/api/v1/services/aigc/image-generation/generation')
    const waiting = await there.provider.check?.(begun.ticket, task, never)
    expect(waiting).toMatchObject({ state: 'pending', ticket: begun.ticket, waitMs: 3000 })
    there.emulator.tasks.hold = 'RUNNING'
    expect(await there.provider.check?.(begun.ticket, task, never)).toMatchObject({ state: 'pending' })
    there.emulator.tasks.hold = undefined
    expect(await there.provider.check?.(begun.ticket, task, never)).toMatchObject({ state: 'done' })
    const [made] = there.emulator.tasks.all()
    const path = `/api/v1/tasks/${made?.id}`
    expect(there.requests.slice(1, 4).map((each) => `${each.method} ${each.path}`)).toEqual(
      Array(3).fill(`GET ${path}`),
    )
  })

  it('are asked after more rarely the longer they take', async () => {
    const there = await open('async', { pace: 'usual' })
    there.emulator.tasks.hold = 'RUNNING'
    const task = there.task('a cat')
    const { ticket } = await begin(there, task)
    const waitAfter = async (ms: number) => {
      const older = { ...(ticket as { taskId: string }), since: Date.now() - ms }
      const progress = await there.provider.check?.(older, task, never)
      return progress?.state === 'pending' ? progress.waitMs : undefined
    }
    expect(await waitAfter(30_000)).toBeCloseTo(6000, -2)
    expect(await waitAfter(600_000)).toBe(10_000)
  })

  it('survive answers that say nothing', async () => {
    const there = await open('async')
    const task = there.task('a cat')
    const { ticket } = await begin(there, task)
    there.faults.add({ kind: 'garbage', times: 1, match: { method: 'GET' } })
    there.faults.add({ kind: '502html', times: 1, match: { method: 'GET' } })
    expect(await there.provider.check?.(ticket, task, never)).toMatchObject({ state: 'done' })
    there.faults.add({ kind: '500', match: { path: /tasks/ } })
    const error = await failure(there.provider.check?.(ticket, task, never))
    expect(error).toMatchObject({ kind: 'provider_failed', retry: true, neverRan: false })
    expect(there.accepted()).toBe(1)
  })

  it('are not given up because a question about them was not answered in time', { timeout: 15_000 }, async () => {
    const there = await open('async')
    const task = there.task('a cat')
    const { ticket } = await begin(there, task)
    const mend = there.faults.add({ kind: 'hang', match: { path: /tasks/ } })
    const error = await failure(there.provider.check?.(ticket, task, never))
    expect(error).toMatchObject({ kind: 'provider_failed', retry: true, neverRan: false })
    mend()
    expect(await there.provider.check?.(ticket, task, never)).toMatchObject({ state: 'done' })
    expect(there.accepted()).toBe(1)
  })

  it('are lost after a day', async () => {
    const there = await open('async')
    const task = there.task('a cat')
    const { ticket } = await begin(there, task)
    there.emulator.expire()
    expect(await failure(there.provider.check?.(ticket, task, never))).toMatchObject({
      kind: 'unresolved',
      neverRan: false,
    })
  })

  it('never say that nothing ran when it cannot be asked', async () => {
    const there = await open('async')
    const task = there.task('a cat')
    const { ticket } = await begin(there, task)
    await there.emulator.stop()
    expect(await failure(there.provider.check?.(ticket, task, never))).toMatchObject({
      kind: 'provider_failed',
      neverRan: false,
    })
  })

  it('can be cancelled while they wait, and trying it later does no harm', async () => {
    const there = await open('async')
    there.emulator.tasks.hold = 'PENDING'
    const [waiting, running] = [there.task('first'), there.task('second')]
    const [first, second] = [await begin(there, waiting), await begin(there, running)]
    await there.provider.cancel?.(first.ticket)
    there.emulator.tasks.hold = undefined
    await there.provider.cancel?.(second.ticket)
    expect(await failure(there.provider.check?.(first.ticket, waiting, never))).toMatchObject({ kind: 'cancelled' })
    expect(await there.provider.check?.(second.ticket, running, never)).toMatchObject({ state: 'done' })
    expect(there.accepted()).toBe(1)
  })

  it('are begun for old models in the old words', async () => {
    const there = await open('old')
    await finish(there, there.task('a cat'))
    expect(there.requests[0]?.path).toBe('/api/v1/services/aigc/text2image/image-synthesis')
    expect(bodiesOf(there)[0]).toMatchObject({ model: 'wan2.2-t2i-flash', input: { prompt: 'a cat' } })
  })
})

describe('the test of DashScope', () => {
  it('passes at no cost', async () => {
    const there = await open('sync')
    await there.provider.test?.(never)
    expect(there.requests.map(({ method, path }) => [method, path])).toEqual([
      ['GET', expect.stringMatching(/^\/api\/v1\/tasks\/[0-9a-f-]{36}$/)],
    ])
  })

  it.each([
    ['wrong key', { wrongKey: true }, undefined, 'provider_account'],
    ['page of a proxy', {}, 'wrongType', 'bad_result'],
    ['broken service', {}, '500', 'provider_failed'],
  ] as const)('fails with a %s', async (_, options, kind, expected) => {
    const there = await open('sync', options)
    if (kind) there.faults.add({ kind })
    expect(await failure(there.provider.test?.(never))).toMatchObject({ kind: expected })
  })

  it('passes where an unknown task is answered with 404', async () => {
    const there = await open('sync')
    there.faults.add({ kind: 'gone' })
    await there.provider.test?.(never)
    expect(there.requests.map(({ status }) => status)).toEqual([404])
  })
})
