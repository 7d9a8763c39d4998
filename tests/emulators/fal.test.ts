/** Checks the emulator of fal with fal's official client. */
import { ApiError, createFalClient, ValidationError } from '@fal-ai/client'
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { type FalEmulator, type FalOptions, startFal } from './fal/index.ts'

describe('the emulator of fal', () => {
  let fal: FalEmulator
  afterEach(() => fal.stop())

  async function open(options?: FalOptions, credentials?: string) {
    fal = await startFal(options)
    // the client's addresses are fixed, so they are replaced on the way out
    const redirected: typeof fetch = (input, init) => {
      const url = String(input instanceof Request ? input.url : input)
      return fetch(url.replace(/^https:\/\/((queue|rest)\.)?(alpha\.)?fal\.(run|ai)/, fal.url), init)
    }
    return createFalClient({ credentials: credentials ?? fal.key, fetch: redirected })
  }
  const failure = async (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'it did not fail',
      (error) => error,
    )

  it.each(['polling', 'streaming'] as const)('serves subscribe with %s', async (mode) => {
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

  it('enlarges a picture, and returns it as one', async () => {
    const client = await open()
    const png = await sharp({ create: { width: 30, height: 20, channels: 3, background: '#123' } })
      .png()
      .toBuffer()
    const image_url = `data:image/png;base64,${png.toString('base64')}`
    const { data } = await client.subscribe('fal-ai/clarity-upscaler', { input: { image_url, upscale_factor: 3 } })
    expect(data).toMatchObject({ image: { width: 90, height: 60 }, seed: expect.anything() })
    expect(data).not.toHaveProperty('images')
    const { data: larger } = await client.subscribe('fal-ai/aura-sr', { input: { image_url, checkpoint: 'v2' } })
    const bytes = Buffer.from(await (await fetch(larger.image.url)).arrayBuffer())
    expect(await sharp(bytes).metadata()).toMatchObject({ width: 120, height: 80, format: 'png' })
    const wrong = client.subscribe('fal-ai/aura-sr', { input: { image_url, upscale_factor: 2 } })
    expect(await failure(wrong)).toBeInstanceOf(ValidationError)
  })

  it('queues requests, reports their status and cancels them', async () => {
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

  it('serves the status below owner and app only', async () => {
    const client = await open()
    const { request_id: id } = await client.queue.submit('fal-ai/flux-1/dev', { input: { prompt: 'a cat' } })
    const get = (path: string) => fetch(`${fal.url}/${path}`, { headers: { authorization: `Key ${fal.key}` } })
    expect((await get(`fal-ai/flux-1/dev/requests/${id}/status`)).status).toBe(405)
    expect((await get(`fal-ai/flux-1/requests/${id}/status`)).status).toBe(200)
  })

  it.each([
    ['a missing prompt', 'fal-ai/flux-1/dev', {}, 'missing'],
    ['one step too many', 'fal-ai/flux-1/schnell', { prompt: 'a', num_inference_steps: 13 }, 'less_than_equal'],
    ['refused content', 'fal-ai/flux-1/dev', { prompt: 'nsfw' }, 'content_policy_violation'],
  ])('reports %s with the result', async (_name, endpoint, input, type) => {
    const client = await open()
    const error = await failure(client.subscribe(endpoint, { input: input as never, pollInterval: 20 }))
    expect(error).toBeInstanceOf(ValidationError)
    expect((error as ValidationError).body.detail[0]).toMatchObject({ type })
  })

  it('refuses unknown keys and locked accounts', async () => {
    const client = await open({}, 'unknown-id:unknown-secret')
    const submit = (caller = client) => caller.queue.submit('fal-ai/flux-1/dev', { input: { prompt: 'a cat' } })
    expect(await failure(submit())).toMatchObject({ status: 401 })
    expect(fal.accepted()).toBe(0)
    await fal.stop()
    const other = await open()
    fal.lock(true)
    const error = await failure(submit(other))
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 403, body: { detail: expect.stringContaining('Exhausted balance') } })
  })

  it('stores and serves uploaded files', async () => {
    const client = await open()
    const url = await client.storage.upload(new Blob(['hello'], { type: 'text/plain' }))
    expect(await (await fetch(url)).text()).toBe('hello')
  })
})
