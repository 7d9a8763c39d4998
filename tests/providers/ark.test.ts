import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import type { ImageFile } from '../../src/core/ports/images.ts'
import type { Progress, Task } from '../../src/core/ports/providers.ts'
import { failure } from '../contracts/provider.ts'
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

/** Starts the task and checks it without pauses until it is done. */
async function finish({ provider }: OpenArk, task: Task): Promise<Extract<Progress, { state: 'done' }>> {
  let progress = await provider.start(task, never)
  while (progress.state === 'pending') progress = await provider.check!(progress.ticket, task, never)
  return progress
}

const bodiesOf = ({ requests }: OpenArk) =>
  requests.filter(({ method }) => method === 'POST').map(({ body }) => JSON.parse(body.toString()))

const photo: ImageFile = { data: await picture(64, 64, 'png'), type: 'image/png', width: 64, height: 64 }

describe('the provider Ark', () => {
  it('submits once and downloads the full link without the key', async () => {
    const ark = await open()
    const { images, notes } = await finish(ark, ark.task('a cat'))
    expect(await sharp(images[0]).metadata()).toMatchObject({ format: 'jpeg', width: 64, height: 48 })
    expect(notes).toEqual([])
    expect(bodiesOf(ark)).toEqual([
      {
        model: 'doubao-seedream-5-0-lite-260128',
        prompt: 'a cat',
        size: '2048x2048',
        sequential_image_generation: 'disabled',
        response_format: 'url',
        watermark: false,
      },
    ])
    const [submission, download] = ark.requests
    expect(submission?.headers).toMatchObject({
      authorization: `Bearer ${ark.key}`,
      'content-type': 'application/json',
    })
    expect(download?.headers.authorization).toBeUndefined()
    expect([...(download?.query.keys() ?? [])]).toContain('X-Tos-SignedHeaders')
  })

  it('sends input pictures as links if they have some, else as data: URLs in lower case', async () => {
    const ark = await open()
    const one = ark.task('in the rain', { images: [photo] })
    await finish(ark, one)
    await finish(ark, { ...one, imageUrls: ['https://ours.example/1?a=1&b=2'] })
    await finish(ark, ark.task('both', { images: [photo, photo] }))
    const data = `data:image/png;base64,${photo.data.toString('base64')}`
    expect(bodiesOf(ark).map(({ image }) => image)).toEqual([data, 'https://ours.example/1?a=1&b=2', [data, data]])
  })

  it('requests a group of pictures by parameter and in the prompt', async () => {
    const ark = await open()
    const { images, notes } = await finish(ark, ark.task('a cat', { count: 3 }))
    expect([images.length, notes]).toEqual([3, []])
    expect(bodiesOf(ark)[0]).toMatchObject({
      prompt: expect.stringContaining('Generate 3 images.'),
      sequential_image_generation_options: { max_images: 3 },
    })
    expect([ark.emulator.accepted(), ark.emulator.billed()]).toEqual([1, 3])
  })

  it('notes missing pictures of a group, and fails when all are missing', async () => {
    const ark = await open()
    const { images, notes } = await finish(ark, ark.task('a cat, onefails', { count: 3 }))
    expect(images).toHaveLength(2)
    expect(notes).toEqual([{ kind: 'some_missing', data: { count: 2, asked: 3 } }])
    expect(await failure(finish(ark, ark.task('onefails')))).toMatchObject({ kind: 'moderated' })
  })

  it('accepts null for absent fields', async () => {
    const ark = await open()
    ark.emulator.switches.nulls = true
    const { images, notes } = await finish(ark, ark.task('a cat, onefails', { count: 3 }))
    expect(images).toHaveLength(2)
    expect(notes).toEqual([{ kind: 'some_missing', data: { count: 2, asked: 3 } }])
    expect([ark.emulator.accepted(), ark.emulator.billed()]).toEqual([1, 2])
  })

  it('parses errors with status 200', async () => {
    const ark = await open()
    const send = (value: object) =>
      ark.faults.add({
        kind: 'replace',
        times: 1,
        match: { method: 'POST' },
        type: 'application/json',
        body: Buffer.from(JSON.stringify(value)),
      })
    const error = { code: 'OutputImageRiskDetection', message: 'no. Request id: 1' }
    send({ data: [{ error }] })
    expect(await failure(finish(ark, ark.task('a')))).toMatchObject({
      kind: 'moderated',
      neverRan: true,
    })
    send({ error })
    expect(await failure(finish(ark, ark.task('a')))).toMatchObject({ kind: 'moderated' })
    send({ data: [] })
    expect(await failure(finish(ark, ark.task('a')))).toMatchObject({
      kind: 'bad_result',
      neverRan: false,
    })
  })

  it.each([
    ['nsfw', 'moderated'],
    ['nsfwout', 'moderated'],
  ])('reports the prompt %s as %s, at no cost', async (prompt, kind) => {
    const ark = await open()
    expect(await failure(finish(ark, ark.task(prompt)))).toMatchObject({ kind, neverRan: true })
    expect(ark.accepted()).toBe(0)
  })

  it.each([
    ['overdue', 'provider_account'],
    ['quotaExceeded', 'provider_quota'],
    ['overloaded', 'provider_busy'],
  ] as const)('reports %s as %s', async (name, kind) => {
    const ark = await open()
    ark.emulator.switches[name] = true
    expect(await failure(finish(ark, ark.task('a')))).toMatchObject({ kind, neverRan: true })
  })

  it('passes on the message about an invalid parameter, without request id, link or key', async () => {
    const ark = await open()
    const error = await failure(finish(ark, ark.task('a', { input: { prompt: 'a', size: '64x64' } })))
    expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
    expect(error.data.reason).toContain('at least 3686400 pixels')
    expect(error.message).not.toMatch(/request id|http|ark-emulated/i)
  })

  it('carries the pause that the rate limit asks for', async () => {
    const ark = await open()
    ark.faults.add({ kind: '429', retryAfterSeconds: 7 })
    expect(await failure(finish(ark, ark.task('a')))).toMatchObject({
      kind: 'provider_busy',
      neverRan: true,
      retryAfterMs: 7000,
    })
  })

  it('does not say that nothing ran after the error page of a proxy', async () => {
    const ark = await open()
    ark.faults.add({ kind: '502html' })
    expect(await failure(finish(ark, ark.task('a')))).toMatchObject({
      kind: 'provider_failed',
      neverRan: false,
    })
    expect(ark.requests).toHaveLength(1)
  })

  it('downloads a paid picture later, also in another process, when its host has failed', async () => {
    const ark = await open()
    const removeFault = ark.faults.add({ kind: '500', match: { method: 'GET' } })
    const task = ark.task('a cat')
    const progress = await ark.provider.start(task, never)
    if (progress.state !== 'pending') throw new Error('expected a pending request')
    expect(JSON.stringify(progress.ticket)).not.toContain(ark.key)
    expect(await failure(ark.provider.check!(progress.ticket, task, never))).toMatchObject({
      kind: 'provider_failed',
      neverRan: false,
    })
    removeFault()
    const later = await ark.createAnother().check?.(JSON.parse(JSON.stringify(progress.ticket)), task, never)
    expect(later).toMatchObject({ state: 'done', images: [expect.any(Buffer)] })
    expect(ark.accepted()).toBe(1)
  })

  it('fails with bad_result when the links have expired', async () => {
    const ark = await open()
    ark.emulator.expireLinks()
    expect(await failure(finish(ark, ark.task('a')))).toMatchObject({
      kind: 'bad_result',
      neverRan: false,
    })
  })
})

describe('the test of address and key at Ark', () => {
  it('passes at no cost', async () => {
    const ark = await open()
    await ark.provider.test!(never)
    expect(ark.requests).toHaveLength(1)
    expect([ark.accepted(), bodiesOf(ark)[0].size]).toEqual([0, '1x1'])
  })

  it('fails with a wrong key, which the error does not name', async () => {
    const ark = await open({ wrongKey: true })
    const error = await failure(ark.provider.test!(never))
    expect(error.kind).toBe('provider_account')
    expect(`${error.message}${error.cause}`).not.toContain(ark.key)
    expect(ark.requests).toHaveLength(1)
  })

  it('passes when at least one model is activated', async () => {
    const ark = await open()
    ark.emulator.switches.notOpen.add('doubao-seedream-5-0-lite-260128')
    await ark.provider.test!(never)
    ark.emulator.switches.notOpen.add('doubao-seedream-4-5-251128').add('doubao-seedream-4-0-250828')
    expect(await failure(ark.provider.test!(never))).toMatchObject({ kind: 'provider_account' })
  })
})
