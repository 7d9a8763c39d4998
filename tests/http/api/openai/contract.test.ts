import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '../../../../src/core/errors.ts'
import { createPlain, pngOf } from '../../../helpers/core.ts'
import { openEverything, type Service } from '../service.ts'
import { createGate } from './service.ts'

let service: Service
let key: string
let later = createGate()
/** Operations and statuses that were seen, each as the document has it. */
const seen = new Set<string>()

/** Draws what the words say: at once, with previews, when the gate opens, or not at all. */
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

interface Sent {
  body?: object
  form?: FormData
  headers?: Record<string, string>
}

/** What the document says to it is checked with each answer. */
async function send(method: 'GET' | 'POST' | 'DELETE', path: string, { body, form, headers }: Sent = {}) {
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
  const { statusCode: status, payload, headers: answered } = answer
  expect(service.contract.problems(operation, { status, headers: answered, body: payload }), payload).toEqual([])
  seen.add(`${operation.operationId} ${status} ${String(answered['content-type']).split(';')[0]}`)
  return answer
}

const draw = (body: object, headers = {}) => send('POST', '/images/generations', { body, headers })
const chat = (body: object) => send('POST', '/chat/completions', { body })
const say = (content: unknown) => ({ messages: [{ role: 'user', content }] })
const async = { prefer: 'respond-async' }

describe('what OpenAI’s routes answer is what the document says', () => {
  it('of models', async () => {
    await send('GET', '/models')
    await send('GET', '/models/sketch')
    await send('GET', '/models/dall-e-3')
    await send('GET', '/models/no/such')
    await send('GET', '/models', { headers: { authorization: 'Bearer wrong' } })
  })

  it('of pictures', async () => {
    await draw({ prompt: 'a cat', n: 2, seed: 7, enhance: true })
    await draw({ prompt: 'a cat', response_format: 'b64_json' })
    await draw({ prompt: 'slowly', stream: true, partial_images: 2 })
    await draw({ prompt: 'a cat', stream: true, response_format: 'url', enhance: true })
    await draw({ prompt: 'no', stream: true })
    await draw({ prompt: 'no' })
    await draw({ prompt: 'no way' })
    await draw({ prompt: 7 })
    await draw({ prompt: 'a cat', model: 'nothing' })
    await draw({ prompt: 'a cat' }, { authorization: 'Bearer wrong' })
    await draw({ prompt: 'a cat' }, { authorization: `Bearer ${await service.keyWith(0)}` })
  })

  it('of edits, as a form and as JSON', async () => {
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

  it('of jobs, wherever they stand', async () => {
    later = createGate()
    const [one, two, refused] = await Promise.all(
      ['later', 'later', 'no'].map(async (prompt) => (await draw({ prompt }, async)).json().id as string),
    )
    for (const id of [one, two]) expect(['queued', 'running']).toContain((await look(id)).state)
    expect((await send('DELETE', `/images/jobs/${two}`)).json().state).toBe('cancelled')
    later.open()
    for (const [id, state] of Object.entries({ [String(one)]: 'succeeded', [String(refused)]: 'failed' })) {
      await expect.poll(async () => (await look(id)).state, { timeout: 10_000 }).toBe(state)
    }
    await send('GET', `/images/jobs/${one}?response_format=b64_json`)
    await send('GET', `/images/jobs/${one}?response_format=tiff`)
    await send('GET', '/images/jobs/x')
    await send('DELETE', '/images/jobs/x')
  })

  it('of chats', async () => {
    await chat(say('a cat 16:9'))
    await chat({ ...say([{ type: 'text', text: 'a cat' }]), stream: true, stream_options: { include_usage: true } })
    await chat({ ...say('no'), stream: true })
    await chat(say('no'))
    await chat(say([]))
    await chat({ messages: [] })
  })

  it('of webhooks', async () => {
    await send('GET', '/webhooks/secret')
    await send('GET', '/webhooks/secret', { headers: { authorization: 'Bearer wrong' } })
  })

  it('and what it does not say is noticed', async () => {
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

  it('all of it was seen', () => {
    const told = service.contract.operations
      .filter(({ tags }) => tags?.includes('OpenAI'))
      .flatMap(({ operationId, responses }) =>
        Object.entries(responses).flatMap(([status, { content = {} }]) =>
          Object.keys(content).map((type) => `${operationId} ${status} ${type}`),
        ),
      )
    const missing = told.filter((each) => ![...seen].some((one) => one.replace(/ ([45])\d\d /, ' $1XX ') === each))
    // what these do costs nothing that could fail but the database
    const calm = ['listModels', 'retrieveModel', 'retrieveImageJob', 'cancelImageJob', 'retrieveWebhookSecret']
    expect(missing.filter((each) => !calm.some((name) => each.startsWith(`${name} 5XX`)))).toEqual([])
  })
})

async function look(id = ''): Promise<{ state: string }> {
  return (await send('GET', `/images/jobs/${id}`)).json()
}
