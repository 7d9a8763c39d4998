import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../src/core/errors.ts'
import type { ImageFile } from '../../src/core/ports/images.ts'
import type { ImageProvider, Progress, Task } from '../../src/core/ports/providers.ts'
import { picture } from '../emulators/pictures.ts'
import { type OpenArk, openArk } from '../helpers/providers/ark.ts'
import type { HarnessOptions } from '../helpers/providers/harness.ts'

const never = new AbortController().signal
const opened: OpenArk[] = []

async function open(options?: HarnessOptions): Promise<OpenArk> {
  const fresh = await openArk({ picture: () => picture(64, 48), ...options })
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

/** As `perform` does. */
async function finish({ provider }: OpenArk, task: Task): Promise<Extract<Progress, { state: 'done' }>> {
  let progress = await provider.start(task, never)
  while (progress.state === 'pending') {
    if (!provider.check) throw new Error('cannot be asked')
    progress = await provider.check(progress.ticket, task, never)
  }
  return progress
}

const bodiesOf = ({ requests }: OpenArk) =>
  requests.filter(({ method }) => method === 'POST').map(({ body }) => JSON.parse(body.toString()))

const photo: ImageFile = { data: await picture(64, 64, 'png'), type: 'image/png', width: 64, height: 64 }

describe('Ark', () => {
  it('asks once and fetches the whole link without the key', async () => {
    const there = await open()
    const { images, notes } = await finish(there, there.task('a cat'))
    expect(await sharp(images[0]).metadata()).toMatchObject({ format: 'jpeg', width: 64, height: 48 })
    expect(notes).toEqual([])
    expect(bodiesOf(there)).toEqual([
      {
        model: 'doubao-seedream-5-0-lite-260128',
        prompt: 'a cat',
        size: '2048x2048',
        sequential_image_generation: 'disabled',
        response_format: 'url',
        watermark: false,
      },
    ])
    const [submission, download] = there.requests
    expect(submission?.headers).toMatchObject({
      authorization: `Bearer ${there.key}`,
      'content-type': 'application/json',
    })
    expect(download?.headers.authorization).toBeUndefined()
    expect([...(download?.query.keys() ?? [])]).toContain('X-Tos-SignedHeaders')
  })

  it('sends pictures as links where they can be opened, else as data: URLs in small letters', async () => {
    const there = await open()
    const one = there.task('in the rain', { images: [photo] })
    await finish(there, one)
    await finish(there, { ...one, imageUrls: ['https://ours.example/1?a=1&b=2'] })
    await finish(there, there.task('both', { images: [photo, photo] }))
    const data = `data:image/png;base64,${photo.data.toString('base64')}`
    expect(bodiesOf(there).map(({ image }) => image)).toEqual([data, 'https://ours.example/1?a=1&b=2', [data, data]])
  })

  it('asks for a group in words too, and gets it', async () => {
    const there = await open()
    const { images, notes } = await finish(there, there.task('a cat', { count: 3 }))
    expect([images.length, notes]).toEqual([3, []])
    expect(bodiesOf(there)[0]).toMatchObject({
      prompt: expect.stringContaining('Generate 3 images.'),
      sequential_image_generation_options: { max_images: 3 },
    })
    expect([there.emulator.accepted(), there.emulator.billed()]).toEqual([1, 3])
  })

  it('says so when some of a group are missing, and fails when all are', async () => {
    const there = await open()
    const { images, notes } = await finish(there, there.task('a cat, onefails', { count: 3 }))
    expect(images).toHaveLength(2)
    expect(notes).toEqual([{ kind: 'some_missing', data: { count: 2, asked: 3 } }])
    expect(await failure(finish(there, there.task('onefails')))).toMatchObject({ kind: 'moderated' })
  })

  it('takes null for what is not there', async () => {
    const there = await open()
    there.emulator.switches.nulls = true
    const { images, notes } = await finish(there, there.task('a cat, onefails', { count: 3 }))
    expect(images).toHaveLength(2)
    expect(notes).toEqual([{ kind: 'some_missing', data: { count: 2, asked: 3 } }])
    expect([there.emulator.accepted(), there.emulator.billed()]).toEqual([1, 2])
  })

  it('understands errors that come with status 200', async () => {
    const there = await open()
    const send = (value: object) =>
      there.faults.add({
        kind: 'replace',
        times: 1,
        match: { method: 'POST' },
        type: 'application/json',
        body: Buffer.from(JSON.stringify(value)),
      })
    const error = { code: 'OutputImageRiskDetection', message: 'no. Request id: 1' }
    send({ data: [{ error }] })
    expect(await failure(finish(there, there.task('a')))).toMatchObject({
      kind: 'moderated',
      neverRan: true,
    })
    send({ error })
    expect(await failure(finish(there, there.task('a')))).toMatchObject({ kind: 'moderated' })
    send({ data: [] })
    expect(await failure(finish(there, there.task('a')))).toMatchObject({
      kind: 'bad_result',
      neverRan: false,
    })
  })

  it.each([
    ['nsfw', 'moderated'],
    ['nsfwout', 'moderated'],
  ])('refuses %s as %s, unpaid', async (prompt, kind) => {
    const there = await open()
    expect(await failure(finish(there, there.task(prompt)))).toMatchObject({ kind, neverRan: true })
    expect(there.accepted()).toBe(0)
  })

  it.each([
    ['overdue', 'provider_account'],
    ['quotaExceeded', 'provider_quota'],
    ['overloaded', 'provider_busy'],
  ] as const)('tells %s as %s', async (name, kind) => {
    const there = await open()
    there.emulator.switches[name] = true
    expect(await failure(finish(there, there.task('a')))).toMatchObject({ kind, neverRan: true })
  })

  it('passes on what the provider says of a wrong parameter, without request id, link or key', async () => {
    const there = await open()
    const error = await failure(finish(there, there.task('a', { input: { prompt: 'a', size: '64x64' } })))
    expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
    expect(error.data.reason).toContain('at least 3686400 pixels')
    expect(error.message).not.toMatch(/request id|http|ark-emulated/i)
  })

  it('waits as long as it is asked to', async () => {
    const there = await open()
    there.faults.add({ kind: '429', retryAfterSeconds: 7 })
    expect(await failure(finish(there, there.task('a')))).toMatchObject({
      kind: 'provider_busy',
      neverRan: true,
      retryAfterMs: 7000,
    })
  })

  it('does not believe a proxy that nothing happened', async () => {
    const there = await open()
    there.faults.add({ kind: '502html' })
    expect(await failure(finish(there, there.task('a')))).toMatchObject({
      kind: 'provider_failed',
      neverRan: false,
    })
    expect(there.requests).toHaveLength(1)
  })

  it('fetches a paid picture later when its host is away, in another process too', async () => {
    const there = await open()
    const mend = there.faults.add({ kind: '500', match: { method: 'GET' } })
    const task = there.task('a cat')
    const progress = await there.provider.start(task, never)
    if (progress.state !== 'pending') throw new Error('not pending')
    expect(JSON.stringify(progress.ticket)).not.toContain(there.key)
    expect(await failure(there.provider.check?.(progress.ticket, task, never))).toMatchObject({
      kind: 'provider_failed',
      neverRan: false,
    })
    mend()
    const later = await there.createAnother().check?.(JSON.parse(JSON.stringify(progress.ticket)), task, never)
    expect(later).toMatchObject({ state: 'done', images: [expect.any(Buffer)] })
    expect(there.accepted()).toBe(1)
  })

  it('ends with bad_result when the links are a day old', async () => {
    const there = await open()
    there.emulator.expireLinks()
    expect(await failure(finish(there, there.task('a')))).toMatchObject({
      kind: 'bad_result',
      neverRan: false,
    })
  })
})

describe('the test of Ark', () => {
  const test = (provider: ImageProvider) => provider.test?.(never)

  it('passes at no cost', async () => {
    const there = await open()
    await test(there.provider)
    expect(there.requests).toHaveLength(1)
    expect([there.accepted(), bodiesOf(there)[0].size]).toEqual([0, '1x1'])
  })

  it('fails with a wrong key, and does not say it', async () => {
    const there = await open({ wrongKey: true })
    const error = await failure(test(there.provider))
    expect(error.kind).toBe('provider_account')
    expect(`${error.message}${error.cause}`).not.toContain(there.key)
    expect(there.requests).toHaveLength(1)
  })

  it('is content with any one of the models, and not with none', async () => {
    const there = await open()
    there.emulator.switches.notOpen.add('doubao-seedream-5-0-lite-260128')
    await test(there.provider)
    there.emulator.switches.notOpen.add('doubao-seedream-4-5-251128').add('doubao-seedream-4-0-250828')
    expect(await failure(test(there.provider))).toMatchObject({ kind: 'provider_account' })
  })
})
