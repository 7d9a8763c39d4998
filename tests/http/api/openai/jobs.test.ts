import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sql } from 'drizzle-orm'
import OpenAI from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { accountOf } from '../../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../../src/core/accounts/api-keys.ts'
import { AppError } from '../../../../src/core/errors.ts'
import { createPlain, pngOf } from '../../../helpers/core.ts'
import { closeService, createGate, openService, operatorKey, type Service } from './service.ts'

let service: Service
afterEach(async () => {
  expect(await closeService(service)).toEqual([])
})

interface Job {
  id: string
  object: string
  state: string
  result: OpenAI.ImagesResponse | null
  error: { code: string } | null
}

/** The provider finishes no image before the gate opens. */
async function open(options: Parameters<typeof openService>[0] = {}) {
  const gate = createGate()
  const provider = createPlain({
    start: async ({ id }) => {
      provider.starts.push(id)
      await gate.opened
      return { state: 'done', images: [await pngOf(64, 64)] }
    },
  })
  service = await openService({ providers: [provider], ...options })
  await service.test.work()
  return { gate, provider, client: service.client() }
}

const body = { prompt: 'a cat' }
const later = { body, headers: { prefer: 'respond-async, wait=5' } }
const expectState = (client: OpenAI, id: string) =>
  expect.poll(async () => (await client.get<Job>(`/images/jobs/${id}`)).state)

describe('a job', () => {
  it('can be polled until it has succeeded', async () => {
    const { gate, client } = await open()
    const { data: job, response } = await client.post<Job>('/images/generations', later).withResponse()
    expect(response.status).toBe(202)
    expect(response.headers.get('location')).toBe(`/v1/images/jobs/${job.id}`)
    expect(job).toMatchObject({ object: 'image.job', model: 'sketch', estimate: null, result: null, error: null })
    expect(['queued', 'running']).toContain(job.state)
    gate.open()
    await expectState(client, job.id).toBe('succeeded')
    const next = await client.post<Job & { estimate: number }>('/images/generations', later)
    expect(next.estimate).toBeGreaterThanOrEqual(1)
    await expectState(client, next.id).toBe('succeeded')
    const done = await client.get<Job>(`/images/jobs/${job.id}`)
    expect(done.result?.data).toEqual([{ url: expect.stringMatching(/^http/) }])
    const encoded = await client.get<Job>(`/images/jobs/${job.id}?response_format=b64_json`)
    expect(encoded.result?.data?.[0]?.b64_json).toMatch(/^iVBORw0KGgo/)
  })

  it.each([
    [{ response_format: 'b64_json' }, '', 'b64_json'],
    [{ response_format: 'b64_json' }, '?response_format=url', 'url'],
    [{ response_format: 'url', model: 'gpt-image-1' }, '', 'url'],
    [{ model: 'gpt-image-1' }, '', 'b64_json'],
  ])('created with %j and read with %j returns its images as %s', async (fields, query, expected) => {
    const { gate, client } = await open()
    gate.open()
    const job = await client.post<Job>('/images/generations', { ...later, body: { ...body, ...fields } })
    await expectState(client, job.id).toBe('succeeded')
    const { result } = await client.get<Job>(`/images/jobs/${job.id}${query}`)
    expect(Object.keys(result?.data?.[0] ?? {})).toEqual([expected])
  })

  it('is named in `content-location`, before a stream begins', async () => {
    const { gate, client } = await open()
    const post = (path: string, sent: object) => client.post(path, { body: sent, stream: true }).asResponse()
    const streams = [
      await post('/images/generations', { ...body, stream: true }),
      await post('/chat/completions', { messages: [{ role: 'user', content: 'a cat' }], stream: true }),
    ]
    const names = streams.map(({ headers }) => headers.get('content-location'))
    expect(names).toEqual((await service.generations()).map(({ id }) => `/v1/images/jobs/${id}`))
    expect(streams[0]?.headers.get('access-control-expose-headers')).toContain('content-location')
    gate.open()
    for (const stream of streams) await stream.text()
    const { response } = await client.images.generate(body).withResponse()
    expect(response.headers.get('content-location')).toMatch(/^\/v1\/images\/jobs\//)
  })

  it('is cancelled once, and its credits are returned', async () => {
    const { gate, client } = await open()
    const job = await client.post<Job>('/images/generations', later)
    expect(await service.balance()).toBe(19)
    expect(await client.delete<Job>(`/images/jobs/${job.id}`)).toMatchObject({ state: 'cancelled', result: null })
    expect(await client.delete<Job>(`/images/jobs/${job.id}`)).toMatchObject({ state: 'cancelled' })
    expect(await service.balance()).toBe(20)
    gate.open()
  })

  it('has the error that it failed with', async () => {
    const failing = createPlain({ start: async () => Promise.reject(new AppError('moderated')) })
    const { client } = await open({ providers: [failing] })
    const job = await client.post<Job>('/images/generations', later)
    await expectState(client, job.id).toBe('failed')
    const failed = await client.get<Job>(`/images/jobs/${job.id}`)
    expect(failed.error).toMatchObject({ code: 'content_policy_violation' })
  })

  it('is visible to its account and to the operator only', async () => {
    const { gate, client } = await open()
    gate.open()
    const job = await client.post<Job>('/images/generations', later)
    const { core } = service.test
    const userId = await accountOf(core, { id: 'test:bob', name: 'bob' })
    const stranger = service.client({ apiKey: (await createApiKey(core, { userId, name: 'mine' })).key })
    for (const path of [job.id, 'x', '%00', `${job.id}'`]) {
      const sender = path === job.id ? stranger : client
      await expect(sender.get(`/images/jobs/${path}`)).rejects.toMatchObject({ status: 404, code: 'job_not_found' })
      await expect(sender.delete(`/images/jobs/${path}`)).rejects.toMatchObject({ status: 404, code: 'job_not_found' })
    }
    await expectState(service.client({ apiKey: operatorKey }), job.id).toBe('succeeded')
  })
})

describe('an idempotency key', () => {
  const keyed = (key: string) => ({ headers: { 'idempotency-key': key } })

  it('returns the same images for the same request, and refuses a different one', async () => {
    const { gate, provider, client } = await open()
    gate.open()
    const one = await client.images.generate(body, keyed('k1'))
    const again = await client.images.generate(body, keyed('k1'))
    expect(new URL(again.data?.[0]?.url ?? '').pathname).toBe(new URL(one.data?.[0]?.url ?? '').pathname)
    expect(again.created).toBe(one.created)
    await expect(client.images.generate({ prompt: 'a dog' }, keyed('k1'))).rejects.toBeInstanceOf(
      OpenAI.UnprocessableEntityError,
    )
    await client.images.generate(body, keyed('k2'))
    await expect(client.images.generate(body, keyed('x'.repeat(300)))).rejects.toMatchObject({ status: 400 })
    expect(provider.starts).toEqual((await service.generations()).map(({ id }) => id))
    expect(provider.starts).toHaveLength(2)
  })

  it('is in conflict while the first request is in progress', async () => {
    const { gate, client } = await open()
    const first = client.images.generate(body, keyed('k1')).then((answer) => answer)
    await expect.poll(async () => (await service.generations()).length).toBe(1)
    const second = await service
      .client({ maxRetries: 0 })
      .images.generate(body, keyed('k1'))
      .catch((error: unknown) => error)
    expect(second).toBeInstanceOf(OpenAI.ConflictError)
    const { headers } = second as InstanceType<typeof OpenAI.ConflictError>
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    gate.open()
    expect((await first).data).toHaveLength(1)
    expect(await service.generations()).toHaveLength(1)
  })

  it('finds the generation although the process died before saving its id', async () => {
    const { gate, client } = await open()
    gate.open()
    const one = await client.images.generate(body, keyed('k1'))
    // as if the process had died right after acceptance
    await service.test.core.database.rows(
      sql`update api_requests set status = 'in_flight', response = null, generation_ids = '[]'`,
    )
    const again = await client.images.generate(body, keyed('k1'))
    expect(again.created).toBe(one.created)
    expect(await service.generations()).toHaveLength(1)
    // the key has expired
    await service.test.core.database.rows(sql`update api_requests set created_at = created_at - interval '8 days'`)
    await client.images.generate(body, keyed('k1'))
    expect(await service.generations()).toHaveLength(2)
  })

  it('can be used again after a refusal', async () => {
    const { gate, client } = await open()
    gate.open()
    await expect(client.images.generate({ prompt: 'a cat', n: 9 }, keyed('k1'))).rejects.toMatchObject({ status: 400 })
    expect((await client.images.generate(body, keyed('k1'))).data).toHaveLength(1)
  })
})

describe('a request whose connection breaks', () => {
  const oneAccepted = () => expect.poll(async () => (await service.generations()).length).toBe(1)
  /** A client whose first connection breaks once `until` resolves, by default upon acceptance. It then retries by itself. */
  const breaking = (over: ConstructorParameters<typeof OpenAI>[0] = {}, until: () => Promise<void> = oneAccepted) => {
    let tries = 0
    return service.client({
      maxRetries: 3,
      ...over,
      fetch: async (input, init) => {
        if (++tries > 1) return fetch(input, init)
        const cut = new AbortController()
        const asking = fetch(input, { ...init, signal: cut.signal })
        await until()
        cut.abort()
        await asking.catch(() => undefined)
        // also if the response was faster: its body was lost
        throw new TypeError('fetch failed')
      },
    })
  }

  it.each([
    ['with an idempotency key', 'key'],
    ['without an idempotency key', undefined],
  ])('is charged once, and the retry gets the image, %s', async (_name, key) => {
    const { gate } = await open()
    const headers = key === undefined ? undefined : { 'idempotency-key': key }
    const asking = breaking().images.generate(body, { headers })
    await expect.poll(async () => (await service.generations()).length).toBe(1)
    gate.open()
    expect((await asking).data?.[0]?.url).toMatch(/^http/)
    expect(await service.generations()).toMatchObject([{ state: 'delivered', images: 1 }])
    expect(await service.balance()).toBe(19)
  })

  it('is found by its retry before the server notices the loss, as after a kill', async () => {
    const { gate } = await open()
    const send = (retryCount: number) =>
      fetch(`${service.url}/v1/images/generations`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${service.key}`,
          'content-type': 'application/json',
          'x-stainless-retry-count': String(retryCount),
        },
        body: JSON.stringify(body),
      })
    const first = send(0)
    await expect.poll(async () => (await service.generations()).length).toBe(1)
    const again = send(1)
    gate.open()
    expect([(await first).status, (await again).status]).toEqual([200, 200])
    expect(await service.generations()).toHaveLength(1)
    // both got their response, so a later retry is a new request
    await expect
      .poll(async () => (await service.test.core.database.rows(sql`select 1 from api_requests`)).length)
      .toBe(0)
    await send(1)
    expect(await service.generations()).toHaveLength(2)
  })

  it('is charged once even if the connection breaks before acceptance', async () => {
    const png = await pngOf(30, 30)
    const received: ServerResponse[] = []
    const pictures = createServer((_request, response) => received.push(response))
    await new Promise<void>((resolve) => pictures.listen(0, '127.0.0.1', resolve))
    const publicUrl = `http://127.0.0.1:${(pictures.address() as AddressInfo).port}`
    const { gate } = await open({ publicUrl })
    gate.open()
    const client = breaking({}, () => expect.poll(() => received).toHaveLength(1))
    const edit = { body: { prompt: 'night', image: `${publicUrl}/a.png` } }
    const answer = client.post<OpenAI.ImagesResponse>('/images/edits', edit)
    // the image of the first request arrives only when the second request loads it too
    await expect.poll(() => received).toHaveLength(2)
    for (const response of received) response.end(png)
    expect((await answer).data).toHaveLength(1)
    expect(await service.generations()).toMatchObject([{ state: 'delivered', images: 1 }])
    expect(await service.balance()).toBe(19)
    // the same request sent twice on purpose is two requests
    pictures.removeAllListeners('request').on('request', (_request, response) => response.end(png))
    const twice = [1, 2].map(() => service.client().post<OpenAI.ImagesResponse>('/images/edits', edit))
    expect(await Promise.all(twice)).toHaveLength(2)
    expect(await service.generations()).toHaveLength(3)
    await new Promise((resolve) => pictures.close(resolve))
  })

  it('continues without its client', async () => {
    const { gate } = await open()
    const asking = breaking({ maxRetries: 0 }).images.generate(body)
    await expect(asking).rejects.toBeInstanceOf(OpenAI.APIConnectionError)
    gate.open()
    await expect.poll(async () => (await service.generations())[0]?.state).toBe('delivered')
    const again = await service.client().images.generate(body)
    expect(again.data).toHaveLength(1)
    expect(await service.generations()).toHaveLength(2)
  })
})

it('the image routes check the key before they read the body', async () => {
  await open()
  for (const path of ['generations', 'edits', 'jobs/x']) {
    const answer = await fetch(`${service.url}/v1/images/${path}`, { method: path === 'jobs/x' ? 'GET' : 'POST' })
    expect(answer.status).toBe(401)
    expect(await answer.json()).toMatchObject({ error: { type: 'authentication_error', code: 'invalid_api_key' } })
  }
})
