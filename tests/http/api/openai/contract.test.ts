import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '../../../../src/core/errors.ts'
import { createPlain, pngOf } from '../../../helpers/core.ts'
import { openEverything, type Service } from '../service.ts'
import { createGate } from './service.ts'

let service: Service
let key: string
let later = createGate()
/** Responses seen so far: operation, status and content type. */
const seen = new Set<string>()

/** The prompt decides how it draws: at once, with previews ('slowly'), once the gate opens ('later'), or not at all ('no'). */
const provider = createPlain({
  start: async ({ input }) => {
    const { prompt, count = 1 } = input as { prompt: string; count?: number }
    if (prompt.startsWith('no')) throw new AppError(prompt === 'no way' ? 'moderated' : 'provider_refused')
    if (prompt.startsWith('later')) await later.opened
    if (prompt.startsWith('slowly')) return { state: 'pending', ticket: 0, waitMs: 20 }
    return { state: 'done', images: await Promise.all(Array.from({ length: count }, () => pngOf(64, 64))), seed: '7' }
  },
  check: async (ticket) =>
    Number(ticket) < 3
      ? { state: 'pending', ticket: Number(ticket) + 1, waitMs: 300, percent: 40, preview: await pngOf(16, 16) }
      : { state: 'done', images: [await pngOf(64, 64)] },
})

beforeAll(async () => {
  const enhancer = { model: 'poet', enhance: async () => 'a splendid cat', close: async () => undefined }
  const limits = { perMinute: 1_000, inFlight: 100 }
  service = await openEverything({ providers: [provider], enhancer, limits })
  key = await service.keyWith(100)
  await service.test.work()
})
afterAll(async () => {
  expect(await service.close()).toEqual([])
})

interface RequestOptions {
  body?: object
  form?: FormData
  headers?: Record<string, string>
}

/** Checks each response against the OpenAPI document. */
async function send(method: 'GET' | 'POST' | 'DELETE', path: string, { body, form, headers }: RequestOptions = {}) {
  const encoded = form && new Response(form)
  const answer = await service.app.inject({
    method,
    url: `/v1${path}`,
    headers: {
      authorization: `Bearer ${key}`,
      ...(encoded && { 'content-type': encoded.headers.get('content-type') ?? '' }),
      ...headers,
    },
    payload: encoded ? Buffer.from(await encoded.arrayBuffer()) : body,
  })
  const operation = service.contract.find(method, `/v1${path}`)
  if (!operation) throw new Error(`${method} ${path} is not in the document`)
  const { statusCode: status, payload, headers: responseHeaders } = answer
  expect(service.contract.problems(operation, { status, headers: responseHeaders, body: payload }), payload).toEqual([])
  seen.add(`${operation.operationId} ${status} ${String(responseHeaders['content-type']).split(';')[0]}`)
  return answer
}

const generate = (body: object, headers = {}) => send('POST', '/images/generations', { body, headers })
const chat = (body: object) => send('POST', '/chat/completions', { body })
const userMessage = (content: unknown) => ({ messages: [{ role: 'user', content }] })
const async = { prefer: 'respond-async' }

describe('the OpenAPI document', () => {
  it('describes the responses of the model routes', async () => {
    await send('GET', '/models')
    await send('GET', '/models/sketch')
    await send('GET', '/models/dall-e-3')
    await send('GET', '/models/no/such')
    await send('GET', '/models', { headers: { authorization: 'Bearer wrong' } })
  })

  it('describes the responses of the generations route', async () => {
    await generate({ prompt: 'a cat', n: 2, seed: 7, enhance: true })
    await generate({ prompt: 'a cat', response_format: 'b64_json' })
    await generate({ prompt: 'slowly', stream: true, partial_images: 2 })
    await generate({ prompt: 'a cat', stream: true, response_format: 'url', enhance: true })
    await generate({ prompt: 'no', stream: true })
    await generate({ prompt: 'no' })
    await generate({ prompt: 'no way' })
    await generate({ prompt: 7 })
    await generate({ prompt: 'a cat', model: 'nothing' })
    await generate({ prompt: 'a cat' }, { authorization: 'Bearer wrong' })
    await generate({ prompt: 'a cat' }, { authorization: `Bearer ${await service.keyWith(0)}` })
  })

  it('describes the responses of the edits route, to forms and to JSON', async () => {
    const png = await pngOf(32, 32)
    const form = new FormData()
    form.set('prompt', 'at night')
    form.set('image', new Blob([new Uint8Array(png)], { type: 'image/png' }), 'a.png')
    await send('POST', '/images/edits', { form })
    const image = `data:image/png;base64,${png.toString('base64')}`
    await send('POST', '/images/edits', { body: { prompt: 'at night', image, stream: true } })
    await send('POST', '/images/edits', {
      body: { prompt: 'at night', images: [{ image_url: image }] },
      headers: async,
    })
    await send('POST', '/images/edits', { body: { prompt: 'at night', image, mask: image } })
    await send('POST', '/images/edits', { body: { prompt: 'no', image } })
  })

  it('describes the responses of the job routes, in every state of a job', async () => {
    later = createGate()
    const [first, second, failing] = await Promise.all(
      ['later', 'later', 'no'].map(async (prompt) => (await generate({ prompt }, async)).json().id as string),
    )
    for (const id of [first, second]) expect(['queued', 'running']).toContain((await jobState(id)).state)
    expect((await send('DELETE', `/images/jobs/${second}`)).json().state).toBe('cancelled')
    later.open()
    for (const [id, state] of Object.entries({ [String(first)]: 'succeeded', [String(failing)]: 'failed' })) {
      await expect.poll(async () => (await jobState(id)).state).toBe(state)
    }
    await send('GET', `/images/jobs/${first}?response_format=b64_json`)
    await send('GET', `/images/jobs/${first}?response_format=tiff`)
    await send('GET', '/images/jobs/x')
    await send('DELETE', '/images/jobs/x')
  })

  it('describes the responses of the chat route', async () => {
    await chat(userMessage('a cat 16:9'))
    await chat({
      ...userMessage([{ type: 'text', text: 'a cat' }]),
      stream: true,
      stream_options: { include_usage: true },
    })
    await chat({ ...userMessage('no'), stream: true })
    await chat(userMessage('no'))
    await chat(userMessage([]))
    await chat({ messages: [] })
  })

  it('describes the responses of the Responses API', async () => {
    const tools = [{ type: 'image_generation', partial_images: 2 }]
    const respond = (body: object, headers = {}) => send('POST', '/responses', { body, headers })
    await respond({ input: 'a cat --n 2', tools, enhance: true })
    await respond({ input: 'a cat' })
    await respond({ input: 'slowly', tools, stream: true })
    await respond({ input: 'slowly', stream: true })
    await respond({ input: 'a cat', tools }, async)
    await respond({ input: 'no', tools, stream: true })
    await respond({ input: 'no' })
    await respond({ input: 7 })
    await respond({ input: 'a cat', previous_response_id: 'resp_1' })
  })

  it('describes the responses of the webhook secret route', async () => {
    await send('GET', '/webhooks/secret')
    await send('GET', '/webhooks/secret', { headers: { authorization: 'Bearer wrong' } })
  })

  it('rejects responses that it does not describe', async () => {
    const operation = service.contract.find('GET', '/v1/models')
    const answer = await send('GET', '/models')
    const problems = (over: object) =>
      operation &&
      service.contract.problems(operation, { status: 200, headers: answer.headers, body: answer.payload, ...over })
    expect(problems({})).toEqual([])
    expect(problems({ status: 201 })).toHaveLength(1)
    expect(problems({ headers: { 'content-type': 'text/html' } })).toHaveLength(1)
    expect(problems({ body: answer.payload.replace('"list"', '7') })).toHaveLength(1)
    expect(problems({ body: answer.payload.replace('{', '{"more":1,') })).toHaveLength(1)
  })

  it('describes no response that these tests do not cover', () => {
    const documented = service.contract.operations
      .filter(({ tags }) => tags?.includes('OpenAI'))
      .flatMap(({ operationId, responses }) =>
        Object.entries(responses).flatMap(([status, { content = {} }]) =>
          Object.keys(content).map((type) => `${operationId} ${status} ${type}`),
        ),
      )
    const missing = documented.filter(
      (each) => ![...seen].some((one) => one.replace(/ ([45])\d\d /, ' $1XX ') === each),
    )
    // these fail with 5XX only if the database is down
    const databaseOnly = ['listModels', 'retrieveModel', 'retrieveImageJob', 'cancelImageJob', 'retrieveWebhookSecret']
    expect(missing.filter((each) => !databaseOnly.some((name) => each.startsWith(`${name} 5XX`)))).toEqual([])
  })
})

async function jobState(id = ''): Promise<{ state: string }> {
  return (await send('GET', `/images/jobs/${id}`)).json()
}
