/** The emulator of fal, driven by fal's own client: if that cannot use it, it is wrong. */
import { ApiError, createFalClient, ValidationError } from '@fal-ai/client'
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { type FalEmulator, type FalOptions, startFal } from './fal/index.ts'

describe('the emulator of fal', () => {
  let fal: FalEmulator
  afterEach(() => fal.stop())

  async function open(options?: FalOptions, credentials?: string) {
    fal = await startFal(options)
    // the client knows its own addresses only: they are turned on the way out
    const turned: typeof fetch = (input, init) => {
      const url = String(input instanceof Request ? input.url : input)
      return fetch(url.replace(/^https:\/\/((queue|rest)\.)?(alpha\.)?fal\.(run|ai)/, fal.url), init)
    }
    return createFalClient({ credentials: credentials ?? fal.key, fetch: turned })
  }
  const failure = async (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'it did not fail',
      (error) => error,
    )

  it.each(['polling', 'streaming'] as const)('serves its subscribe by %s', async (mode) => {
    const client = await open({ workMs: 300 })
    const seen: string[] = []
    const { data, requestId } = await client.subscribe('fal-ai/flux-1/dev', {
      input: { prompt: 'a cute cat', image_size: { width: 512, height: 256 }, num_images: 2 },
      mode,
      logs: true,
      pollInterval: 50,
      onQueueUpdate: ({ status }) => seen.push(status),
    })
    expect(data.images).toHaveLength(2)
    const bytes = Buffer.from(await (await fetch(data.images[0]!.url)).arrayBuffer())
    expect(await sharp(bytes).metadata()).toMatchObject({ width: 512, height: 256, format: 'jpeg' })
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/)
    expect(seen).toContain('IN_PROGRESS')
    expect(seen.at(-1)).toBe('COMPLETED')
    expect(fal.accepted()).toBe(1)
  })

  it('keeps a queue, whose requests can be asked after and taken out', async () => {
    const client = await open({ workMs: 5_000, concurrency: 1 })
    const submit = () =>
      client.queue.submit('fal-ai/flux-pro/kontext/max/text-to-image', { input: { prompt: 'a cat' } })
    const [, second] = [await submit(), await submit()]
    const about = { requestId: second.request_id }
    expect(await client.queue.status('fal-ai/flux-pro', about)).toMatchObject({ status: 'IN_QUEUE', queue_position: 0 })
    await client.queue.cancel('fal-ai/flux-pro', about)
    expect(await client.queue.status('fal-ai/flux-pro', about)).toMatchObject({ status: 'COMPLETED' })
    expect(await failure(client.queue.result('fal-ai/flux-pro', about))).toMatchObject({ status: 499 })
  })

  it('answers under the short path only', async () => {
    const client = await open()
    const { request_id: id } = await client.queue.submit('fal-ai/flux-1/dev', { input: { prompt: 'a cat' } })
    const ask = (path: string) => fetch(`${fal.url}/${path}`, { headers: { authorization: `Key ${fal.key}` } })
    expect((await ask(`fal-ai/flux-1/dev/requests/${id}/status`)).status).toBe(405)
    expect((await ask(`fal-ai/flux-1/requests/${id}/status`)).status).toBe(200)
  })

  it.each([
    ['a missing prompt', 'fal-ai/flux-1/dev', {}, 'missing'],
    ['one step too many', 'fal-ai/flux-1/schnell', { prompt: 'a', num_inference_steps: 13 }, 'less_than_equal'],
    ['content', 'fal-ai/flux-1/dev', { prompt: 'nsfw' }, 'content_policy_violation'],
  ])('tells of %s when the result is asked for', async (_name, endpoint, input, type) => {
    const client = await open()
    const error = await failure(client.subscribe(endpoint, { input: input as never, pollInterval: 20 }))
    expect(error).toBeInstanceOf(ValidationError)
    expect((error as ValidationError).body.detail[0]).toMatchObject({ type })
  })

  it('knows its keys, and accounts without money', async () => {
    const client = await open({}, 'nobody:nothing')
    const submit = (who = client) => who.queue.submit('fal-ai/flux-1/dev', { input: { prompt: 'a cat' } })
    expect(await failure(submit())).toMatchObject({ status: 401 })
    expect(fal.accepted()).toBe(0)
    await fal.stop()
    const poor = await open()
    fal.lock(true)
    const error = await failure(submit(poor))
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 403, body: { detail: expect.stringContaining('Exhausted balance') } })
  })

  it('takes files', async () => {
    const client = await open()
    const url = await client.storage.upload(new Blob(['hello'], { type: 'text/plain' }))
    expect(await (await fetch(url)).text()).toBe('hello')
  })
})
