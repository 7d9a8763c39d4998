/** Checks the emulated LLM with OpenAI's official client. */
import OpenAI, { APIError } from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { type LlmOptions, startLlm } from './llm/index.ts'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

async function open(options: LlmOptions = {}, apiKey?: string) {
  const llm = await startLlm(options)
  stops.push(llm.stop)
  const client = new OpenAI({ baseURL: llm.baseUrl, apiKey: apiKey ?? llm.key, maxRetries: 0 })
  return { llm, client, completions: client.chat.completions }
}

const messages = [
  { role: 'system' as const, content: 'Be kind.' },
  { role: 'user' as const, content: '<mark>a fox</mark>' },
]

async function failure(work: Promise<unknown>): Promise<APIError> {
  const error = await work.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(APIError)
  return error as APIError
}

describe('the emulated LLM', () => {
  it('returns a completion with its usage and request id', async () => {
    const { llm, completions } = await open()
    const { data, request_id } = await completions
      .create({ model: llm.model, messages, temperature: 0.5, max_tokens: 100 })
      .withResponse()
    expect(data.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { role: 'assistant', content: 'a fox, in soft morning light' },
    })
    expect(data.usage?.total_tokens).toBe(14)
    expect(request_id).toMatch(/^req_/)
    expect(llm.asked[0]).toMatchObject({ model: llm.model, messages, temperature: 0.5 })
  })

  it('streams the same reply in pieces', async () => {
    const { llm, completions } = await open()
    const stream = await completions.create({
      model: llm.model,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'a fox' }] }],
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = []
    for await (const chunk of stream) chunks.push(chunk)
    const pieces = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '')
    expect(pieces.join('')).toBe('a fox, in soft morning light')
    expect(pieces.filter((piece) => piece !== '')).toHaveLength(3)
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop')
    expect(chunks.at(-1)?.usage?.completion_tokens).toBe(7)
  })

  it('replies as its options say', async () => {
    const { llm, completions } = await open({
      reply: (text) => ({ content: text.toUpperCase(), finishReason: 'content_filter', refusal: 'no' }),
    })
    const { choices } = await completions.create({ model: llm.model, messages })
    expect(choices[0]).toMatchObject({ finish_reason: 'content_filter', message: { refusal: 'no' } })
    expect(choices[0]?.message.content).toBe('<MARK>A FOX</MARK>')
  })

  it('refuses wrong keys, models and requests with errors that the client understands', async () => {
    const { llm, completions } = await open()
    const other = await open({}, 'sk-unknown-key')
    const wrongKey = await failure(other.completions.create({ model: llm.model, messages }))
    expect([wrongKey.status, wrongKey.code, wrongKey.requestID]).toEqual([401, 'invalid_api_key', expect.any(String)])
    const wrongModel = await failure(completions.create({ model: 'none', messages }))
    expect([wrongModel.status, wrongModel.code]).toEqual([404, 'model_not_found'])
    const wrong = [{ messages: [] }, { messages, temperature: 3 }, { messages, max_tokens: 0 }, { messages, seed: 1 }]
    for (const each of wrong) {
      const error = await failure(completions.create({ model: llm.model, ...each }))
      expect([error.status, error.type]).toEqual([400, 'invalid_request_error'])
    }
    expect(llm.asked).toHaveLength(0)
  })

  it('refuses content, and sampling parameters as a reasoning model', async () => {
    const { llm, completions } = await open({ thinks: true })
    const filtered = await failure(
      completions.create({ model: llm.model, messages: [{ role: 'user', content: 'nsfw' }] }),
    )
    expect([filtered.status, filtered.code]).toEqual([400, 'content_filter'])
    const limited = await failure(completions.create({ model: llm.model, messages, max_tokens: 5 }))
    expect([limited.status, limited.param]).toEqual([400, 'max_tokens'])
    const warm = await failure(completions.create({ model: llm.model, messages, temperature: 0.7 }))
    expect([warm.status, warm.param]).toEqual([400, 'temperature'])
  })

  it('makes the client retry a rate limit, but not an exhausted quota', async () => {
    const { llm, client } = await open()
    const retrying = client.withOptions({ maxRetries: 2 }).chat.completions
    llm.setMoney(false)
    const error = await failure(retrying.create({ model: llm.model, messages }))
    expect([error.status, error.code]).toEqual([429, 'insufficient_quota'])
    expect(llm.requests).toHaveLength(1)
    llm.setMoney(true)
    llm.faults.add({ kind: '429', times: 1, retryAfterSeconds: 0.01 })
    const { choices } = await retrying.create({ model: llm.model, messages })
    expect(choices).toHaveLength(1)
    expect(llm.requests.map((each) => each.status)).toEqual([429, 429, 200])
  })

  it('words injected faults as API errors', async () => {
    const { llm, completions } = await open()
    for (const [kind, status] of [
      ['500', 500],
      ['503', 503],
      ['gone', 404],
    ] as const) {
      llm.faults.add({ kind, times: 1 })
      const error = await failure(completions.create({ model: llm.model, messages }))
      expect([error.status, typeof error.type]).toEqual([status, 'string'])
    }
  })
})
