import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import type { ImageFile } from '../../../src/core/ports/images.ts'
import type { Json } from '../../../src/db/json.ts'
import { failure } from '../../contracts/provider.ts'
import { picture } from '../../emulators/pictures.ts'
import { dashscopeFixture } from '../../helpers/providers/dashscope.ts'

const { open, begin, finish, bodiesOf } = dashscopeFixture()
const never = new AbortController().signal
const photo: ImageFile = { data: await picture(64, 64, 'png'), type: 'image/png', width: 64, height: 64 }

describe.each(['sync', 'async', 'old'] as const)('the provider DashScope with the protocol %s', (protocol) => {
  it('submits once and downloads the full link without the key', async () => {
    const dashscope = await open(protocol)
    const { images, notes } = await finish(dashscope, dashscope.task('a cat'))
    expect(await sharp(images[0]).metadata()).toMatchObject({ format: 'png', width: 64, height: 48 })
    expect([images.length, notes]).toEqual([1, []])
    expect([dashscope.emulator.accepted(), dashscope.emulator.billed()]).toEqual([1, 1])
    const header = dashscope.requests[0]?.headers['x-dashscope-async']
    expect(header).toBe(protocol === 'sync' ? undefined : 'enable')
    expect(dashscope.requests.at(-1)?.path).toMatch(/^\/dashscope-result\//)
    expect(dashscope.requests.at(-1)?.headers.authorization).toBeUndefined()
    expect(dashscope.requests[0]?.headers.authorization).toBe(`Bearer ${dashscope.key}`)
  })

  it('draws the requested number of pictures', async () => {
    const dashscope = await open(protocol)
    const { images } = await finish(dashscope, dashscope.task('a cat', { count: 2 }))
    expect([images.length, dashscope.emulator.billed()]).toEqual([2, 2])
  })

  it('notes a missing picture', async () => {
    const dashscope = await open(protocol)
    const { images, notes } = await finish(dashscope, dashscope.task('a cat onefails', { count: 3 }))
    expect(images).toHaveLength(2)
    expect(notes).toEqual([{ kind: 'some_missing', data: { count: 2, asked: 3 } }])
  })

  it.each([
    ['nsfw', 'moderated'],
    ['nsfwout', 'moderated'],
    ['broken', 'provider_failed'],
  ])('reports the prompt %s as %s, at no cost', async (prompt, kind) => {
    const dashscope = await open(protocol)
    // the synchronous protocol reports it with status 500, which proves nothing
    const neverRan = prompt !== 'broken' || protocol !== 'sync'
    expect(await failure(finish(dashscope, dashscope.task(prompt)))).toMatchObject({ kind, neverRan })
    expect(dashscope.accepted()).toBe(0)
  })

  it('does not say that nothing ran when an error has status 500', async () => {
    const dashscope = await open(protocol)
    const error = await failure(dashscope.provider.start(dashscope.task('paidfor'), never))
    expect(error).toMatchObject({ kind: 'provider_failed', neverRan: false })
    expect([dashscope.accepted(), dashscope.requests.length]).toEqual([1, 1])
  })

  it.each([
    ['overdue', 'provider_account'],
    ['quotaExceeded', 'provider_quota'],
    ['overloaded', 'provider_busy'],
  ] as const)('reports %s as %s', async (name, kind) => {
    const dashscope = await open(protocol)
    dashscope.emulator.switches[name] = true
    expect(await failure(finish(dashscope, dashscope.task('a')))).toMatchObject({ kind, neverRan: true })
  })

  it('fails with the key of another region, which the error does not name', async () => {
    const dashscope = await open(protocol, { wrongKey: true })
    const error = await failure(finish(dashscope, dashscope.task('a')))
    expect(error).toMatchObject({ kind: 'provider_account', neverRan: true })
    expect(`${error.message}${error.cause}`).not.toContain(dashscope.key)
  })

  it('passes on the message about an invalid parameter', async () => {
    const dashscope = await open(protocol)
    const task = dashscope.task('a')
    const input = { ...(task.input as Record<string, Json>), parameters: { n: 1, steps: 3 } }
    const error = await failure(finish(dashscope, { ...task, input }))
    expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
    expect(error.data.reason).toContain('parameters.steps')
  })

  it('does not submit again when the response is lost', async () => {
    const dashscope = await open(protocol)
    dashscope.faults.add({ kind: 'dropAfter', match: { method: 'POST' } })
    expect(await failure(finish(dashscope, dashscope.task('a')))).toMatchObject({
      kind: 'provider_failed',
      neverRan: false,
    })
    expect([dashscope.requests.length, dashscope.accepted()]).toEqual([1, 1])
  })
})

describe('a synchronous call of DashScope', () => {
  it('has the documented form', async () => {
    const dashscope = await open('sync')
    await finish(dashscope, dashscope.task('a cat'))
    expect(dashscope.requests[0]?.path).toBe('/api/v1/services/aigc/multimodal-generation/generation')
    expect(bodiesOf(dashscope)).toEqual([
      {
        model: 'qwen-image-plus',
        input: { messages: [{ role: 'user', content: [{ text: 'a cat' }] }] },
        parameters: { size: '1328*1328', n: 1, prompt_extend: false, watermark: false },
      },
    ])
  })

  it('has the pictures before the prompt', async () => {
    const dashscope = await open('sync')
    await finish(dashscope, {
      ...dashscope.task('at night', { images: [photo, photo] }),
      imageUrls: ['https://ours.example/1?a=1&b=2'],
    })
    const [{ input, model }] = bodiesOf(dashscope)
    expect(model).toBe('qwen-image-edit-plus')
    expect(input.messages[0].content).toEqual([
      { image: 'https://ours.example/1?a=1&b=2' },
      { image: `data:image/png;base64,${photo.data.toString('base64')}` },
      { text: 'at night' },
    ])
  })

  it('fails with an error that has status 200', async () => {
    const dashscope = await open('sync')
    const error = await failure(finish(dashscope, dashscope.task('softly nsfwout')))
    expect(error).toMatchObject({ kind: 'moderated', neverRan: true })
    expect(dashscope.requests[0]?.status).toBe(200)
  })

  it('downloads a paid picture later when its host has failed', async () => {
    const dashscope = await open('sync')
    const removeFault = dashscope.faults.add({ kind: '500', match: { method: 'GET' } })
    const task = dashscope.task('a cat')
    const { ticket } = await begin(dashscope, task)
    removeFault()
    expect(await dashscope.provider.check?.(ticket, task, never)).toMatchObject({ state: 'done' })
    expect(dashscope.accepted()).toBe(1)
  })
})

describe('the test of address and key at DashScope', () => {
  it('passes at no cost', async () => {
    const dashscope = await open('sync')
    await dashscope.provider.test?.(never)
    expect(dashscope.requests.map(({ method, path }) => [method, path])).toEqual([
      ['GET', expect.stringMatching(/^\/api\/v1\/tasks\/[0-9a-f-]{36}$/)],
    ])
  })

  it.each([
    ['wrong key', { wrongKey: true }, undefined, 'provider_account'],
    ["proxy's error page", {}, 'wrongType', 'bad_result'],
    ['failing service', {}, '500', 'provider_failed'],
  ] as const)('fails with a %s', async (_, options, kind, expected) => {
    const dashscope = await open('sync', options)
    if (kind) dashscope.faults.add({ kind })
    expect(await failure(dashscope.provider.test!(never))).toMatchObject({ kind: expected })
  })

  it('passes when DashScope answers an unknown task with 404', async () => {
    const dashscope = await open('sync')
    dashscope.faults.add({ kind: 'gone' })
    await dashscope.provider.test?.(never)
    expect(dashscope.requests.map(({ status }) => status)).toEqual([404])
  })
})
