import OpenAI from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../../src/core/errors.ts'
import type { Enhancer, Task } from '../../../../src/core/ports/providers.ts'
import type { ResponseObject } from '../../../../src/http/api/openai/responses-api/response-schemas.ts'
import { createPlain, pngOf, type TestCoreOptions } from '../../../helpers/core.ts'
import { closeService, createGate, openService, type Service } from './service.ts'

let service: Service
afterEach(async () => {
  expect(await closeService(service)).toEqual([])
})

type Input = Exclude<OpenAI.Responses.ResponseInput, string>
type Events = OpenAI.Responses.ResponseStreamEvent[]

const tools: OpenAI.Responses.Tool[] = [{ type: 'image_generation' }]
const poet: Enhancer = { model: 'poet', enhance: async () => 'a splendid cat', close: async () => undefined }

async function open(options: TestCoreOptions = {}) {
  const tasks: Task[] = []
  const provider = createPlain({
    start: async (task) => {
      tasks.push(task)
      const { count = 1, prompt } = task.input as { count?: number; prompt: string }
      if (prompt === 'no') throw new AppError('moderated')
      return { state: 'done', images: await Promise.all(Array.from({ length: count }, (_, at) => pngOf(64 + at, 48))) }
    },
  })
  service = await openService({ providers: [provider], ...options })
  await service.test.work()
  return { client: service.client(), tasks }
}

const isPng = (base64: string | null | undefined) =>
  Buffer.from(base64 ?? '', 'base64')
    .subarray(0, 8)
    .toString('hex') === '89504e470d0a1a0a'

const callsIn = ({ output }: Pick<OpenAI.Responses.Response, 'output'>) =>
  output.filter((item) => item.type === 'image_generation_call')

async function read(stream: AsyncIterable<OpenAI.Responses.ResponseStreamEvent>): Promise<Events> {
  const events: Events = []
  for await (const event of stream) events.push(event)
  return events
}

describe('a response with the image tool', () => {
  it('has the image as a call, with its actual properties and the charge', async () => {
    const { client, tasks } = await open({ enhancer: poet })
    const tool = { type: 'image_generation', size: '1792x1024' as '1024x1024', quality: 'high', enhance: true } as const
    const response = await client.responses.create({ model: 'gpt-5', input: 'a cat', tools: [tool], store: true })
    expect(response).toMatchObject({
      id: expect.stringMatching(/^resp_[0-9a-f-]{36}$/),
      object: 'response',
      status: 'completed',
      model: 'gpt-5',
      output_text: '',
      store: false,
      error: null,
      usage: { input_tokens: 2, output_tokens: 3, total_tokens: 5, credits: 2 },
    })
    expect(callsIn(response)).toEqual([
      {
        id: expect.stringMatching(/^ig_[0-9a-f-]{36}$/),
        type: 'image_generation_call',
        status: 'completed',
        result: expect.any(String),
        action: 'generate',
        size: '64x48',
        quality: 'auto',
        background: 'opaque',
        output_format: 'png',
        revised_prompt: 'a splendid cat',
      },
    ])
    expect(isPng(callsIn(response)[0]?.result)).toBe(true)
    expect(tasks[0]?.input).toMatchObject({ prompt: 'a splendid cat', width: 1792, height: 1024 })
  })

  it('draws the last user message from its images, and ignores what came before', async () => {
    const { client, tasks } = await open()
    const image_url = `data:image/png;base64,${(await pngOf(30, 30)).toString('base64')}`
    const input: Input = [
      { role: 'developer', content: 'You are helpful.' },
      { role: 'user', content: [{ type: 'input_image', file_id: 'file_1', detail: 'auto' }] },
      { type: 'item_reference', id: 'ig_1' },
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'make it' },
          { type: 'input_image', image_url, file_id: null, detail: 'auto' },
          { type: 'input_text', text: 'night --seed 3 --n 2' },
        ],
      },
    ]
    const edit = { type: 'image_generation', action: 'edit' } as const
    const response = await client.responses.create({ input, tools: [edit], instructions: 'Draw.', reasoning: {} })
    expect(tasks[0]?.input).toMatchObject({ prompt: 'make it night', seed: '3' })
    expect(tasks[0]?.images.map(({ width }) => width)).toEqual([30])
    expect(callsIn(response)).toMatchObject([
      { size: '64x48', action: 'edit' },
      { size: '65x48', action: 'edit' },
    ])
    expect(new Set(callsIn(response).map(({ id }) => id)).size).toBe(2)
  })

  it('draws with the model of the tool, else of the body, and takes names of OpenAI for the default model', async () => {
    const { client } = await open()
    const named: [object, object][] = [
      [{ model: 'o4-mini' }, {}],
      [{ model: 'chatgpt-4o-latest' }, { model: 'gpt-image-1' }],
      [{ model: 'sketch' }, { model: 'gpt-image-1' }],
      [{ model: 'gpt-5' }, { model: 'sketch' }],
      [{ model: 'nothing' }, { model: 'sketch' }],
    ]
    for (const [body, tool] of named) {
      const asked = { input: 'a cat', tools: [{ ...tools[0], ...tool }], ...body }
      const response = await client.post<OpenAI.Responses.Response>('/responses', { body: asked })
      expect(callsIn(response), JSON.stringify([body, tool])).toHaveLength(1)
    }
  })

  it('prefers flags to options of the tool, and those to fields of the body', async () => {
    const { client, tasks } = await open()
    const ask = (input: string, tool: object) => {
      const body = { input, tools: [{ ...tools[0], ...tool }], seed: 1, steps: 9, aspect_ratio: '9:16' }
      return client.post('/responses', { body })
    }
    await ask('a cat', {})
    await ask('a cat', { seed: 2, aspect_ratio: '16:9' })
    await ask('a cat 1:1 --seed 3', { seed: 2, aspect_ratio: '16:9' })
    expect(tasks.map(({ input }) => input)).toMatchObject([
      { seed: '1', steps: 9, width: 576, height: 1024 },
      { seed: '2', steps: 9, width: 1024, height: 576 },
      { seed: '3', steps: 9, width: 1024, height: 1024 },
    ])
  })

  it('is made for a tool that only the choice names', async () => {
    const { client } = await open()
    const chosen = await client.responses.create({ input: 'a cat', tool_choice: { type: 'image_generation' } })
    const unchosen = await client.responses.create({ input: 'a cat', tools, tool_choice: 'none' })
    expect(callsIn(chosen)).toHaveLength(1)
    expect(callsIn(unchosen)).toEqual([])
    expect(unchosen.output_text).toContain('![a cat](http')
  })

  it('is made and charged once for an idempotency key, and can be a job', async () => {
    const { client } = await open()
    const keyed = { headers: { 'idempotency-key': 'k1' } }
    const first = await client.responses.create({ input: 'a cat', tools }, keyed)
    const again = await client.responses.create({ input: 'a cat', tools }, keyed)
    expect([again.id, callsIn(again)[0]?.result]).toEqual([first.id, callsIn(first)[0]?.result])
    const other = client.responses.create({ input: 'a dog', tools }, keyed)
    await expect(other).rejects.toBeInstanceOf(OpenAI.UnprocessableEntityError)
    const later = { body: { input: 'a cat', tools }, headers: { prefer: 'respond-async' } }
    const { data: job, response } = await client.post<{ id: string }>('/responses', later).withResponse()
    expect([response.status, response.headers.get('location')]).toEqual([202, `/v1/images/jobs/${job.id}`])
    const poll = () => client.get<{ state: string; result?: OpenAI.ImagesResponse }>(`/images/jobs/${job.id}`)
    await expect.poll(async () => (await poll()).state).toBe('succeeded')
    expect(isPng((await poll()).result?.data?.[0]?.b64_json)).toBe(true)
    expect(await service.balance()).toBe(18)
  })
})

describe('a response without the tool', () => {
  it('is the Markdown of a chat completion', async () => {
    const { client } = await open()
    const response = await client.responses.create({ model: 'gpt-5', input: '一只猫 16:9' })
    expect(response.output).toMatchObject([{ type: 'message', role: 'assistant', status: 'completed' }])
    expect(response.output_text.replace(/\(http\S+\)/, '(url)')).toBe(
      '🎨 原始提示词：一只猫 16:9\n💬 提示词生成模型：Original Prompt\n🌐 优化后的提示词：一只猫\n' +
        '📐 图像规格：64x48\n🌟 图像生成成功！\n以下是结果：\n\n![生成的图像](url)',
    )
    expect(response.usage?.output_tokens).toBe(Math.ceil(response.output_text.length / 4))
  })

  it('is streamed as text that adds up to the message', async () => {
    const { client } = await open({ enhancer: { ...poet, enhance: async () => 'é'.repeat(1_500) } })
    const stream = client.responses.stream({ model: 'gpt-5', input: 'a cat --enhance' })
    const events = await read(stream)
    const deltas = events.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : []))
    expect(Math.max(...deltas.map((delta) => [...delta].length))).toBeLessThanOrEqual(500)
    const { output_text, status } = await stream.finalResponse()
    expect([deltas.join(''), status]).toEqual([output_text, 'completed'])
    expect(output_text).toMatch(/^🎨 Original prompt: a cat --enhance\n⏳ [\s\S]*é{1500}[\s\S]*!\[a cat\]\(http\S+\)$/)
    const types = events.map(({ type }) => type).filter((type) => type !== 'response.output_text.delta')
    expect(types).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
  })
})

describe('a stream with the image tool', () => {
  it('sends as many previews as requested, then the call and the response', async () => {
    let enough = false
    let edge = 16
    const provider = createPlain({
      start: async () => ({ state: 'pending', ticket: 1, waitMs: 50 }),
      check: async (ticket) => {
        if (enough) return { state: 'done', images: [await pngOf(64, 64)] }
        return { state: 'pending', ticket, waitMs: 300, preview: await pngOf(edge, edge++) }
      },
    })
    const { client } = await open({ providers: [provider] })
    const tool = { type: 'image_generation', partial_images: 2 } as const
    const stream = client.responses.stream({ model: 'gpt-5', input: 'a cat', tools: [tool] })
    const events: Events = []
    for await (const event of stream) {
      events.push(event)
      if (event.type === 'response.image_generation_call.partial_image') enough = event.partial_image_index === 1
    }
    const call = 'response.image_generation_call'
    expect(events.map(({ type, sequence_number }) => `${sequence_number} ${type}`)).toEqual([
      '0 response.created',
      '1 response.in_progress',
      '2 response.output_item.added',
      `3 ${call}.in_progress`,
      `4 ${call}.generating`,
      `5 ${call}.partial_image`,
      `6 ${call}.partial_image`,
      `7 ${call}.completed`,
      '8 response.output_item.done',
      '9 response.completed',
    ])
    const partial = events.slice(5, 7)
    expect(partial).toMatchObject([
      { partial_image_index: 0, output_index: 0, output_format: 'webp', partial_image_b64: expect.any(String) },
      { partial_image_index: 1, output_index: 0, output_format: 'webp', partial_image_b64: expect.any(String) },
    ])
    const response = await stream.finalResponse()
    const [item] = callsIn(response)
    expect(isPng(item?.result)).toBe(true)
    expect(events[8]).toMatchObject({ output_index: 0, item })
    expect(new Set(events.flatMap((event) => ('item_id' in event ? [event.item_id] : [])))).toEqual(new Set([item?.id]))
    expect(events[0]).toMatchObject({ response: { id: response.id, status: 'in_progress', output: [], usage: null } })
  })

  it('sends each of several images as a call of its own', async () => {
    const { client } = await open()
    const stream = client.responses.stream({ model: 'gpt-5', input: 'a cat --n 2', tools })
    const events = await read(stream)
    const done = events.filter(({ type }) => type === 'response.output_item.done')
    expect(done).toMatchObject([
      { output_index: 0, item: { size: '64x48' } },
      { output_index: 1, item: { size: '65x48' } },
    ])
    expect(callsIn(await stream.finalResponse())).toMatchObject([{ size: '64x48' }, { size: '65x48' }])
  })

  it('ends with the error, and the credits are returned', async () => {
    const { client } = await open()
    for (const asked of [{ tools }, {}]) {
      const events = await read(await client.responses.create({ input: 'no', stream: true, ...asked }))
      expect(events.at(-1)).toMatchObject({
        type: 'response.failed',
        response: { status: 'failed', error: { code: 'content_policy_violation', message: expect.any(String) } },
      })
    }
    expect(await service.balance()).toBe(20)
  })

  it('continues without its client, which cannot read it later', async () => {
    const gate = createGate()
    const slow = createPlain({
      start: async () => {
        await gate.opened
        return { state: 'done', images: [await pngOf(64, 64)] }
      },
    })
    const { client } = await open({ providers: [slow] })
    const stream = await client.responses.create({ input: 'a cat', tools, stream: true })
    let id = ''
    for await (const event of stream) {
      if (event.type === 'response.created') id = event.response.id
      break
    }
    gate.open()
    await expect.poll(async () => (await service.generations())[0]?.state).toBe('delivered')
    const retrieving = client.responses.retrieve(id)
    await expect(retrieving).rejects.toMatchObject({ status: 404, code: 'response_not_found', param: 'id' })
    await expect(retrieving).rejects.toThrow('no response is kept')
    await expect(client.responses.delete(id)).rejects.toMatchObject({ status: 404 })
  })
})

describe('a request', () => {
  const user = (...content: object[]) => ({ input: [{ role: 'user', content }] })
  const text = { type: 'input_text', text: 'a cat' }
  const tool = (options: object) => ({ tools: [{ type: 'image_generation', ...options }] })

  const refused: [string, object, string][] = [
    ['previous_response_id', { previous_response_id: 'resp_1' }, "'input_image'"],
    ['conversation', { conversation: 'conv_1' }, "'input_image'"],
    ['background', { background: true }, 'Prefer: respond-async'],
    ['prompt', { prompt: { id: 'pmpt_1' } }, "'input'"],
    ['n', { n: 2 }, 'several requests'],
    ['num_images', { num_images: 2 }, 'several requests'],
    ['text.format', { text: { format: { type: 'json_schema', name: 'x', schema: {} } } }, 'Markdown'],
    ['tools.0.type', { tools: [{ type: 'web_search' }] }, "'image_generation'"],
    ['tools.0.type', { tools: [{ type: 'function', name: 'f', parameters: {} }] }, "'image_generation'"],
    ['tools.1', { tools: [...tools, ...tools] }, 'once'],
    ['tools.0.input_image_mask', tool({ input_image_mask: { image_url: 'data:,' } }), '/v1/images/edits'],
    ['tools.0.n', tool({ n: 2 }), 'several requests'],
    ['tools.0.action', tool({ action: 'edit' }), "'input_image'"],
    ['tools.0.partial_images', tool({ partial_images: 4 }), '0 to 3'],
    ['size', tool({ size: '7:3' }), '1024x1024'],
    ['aspect_ratio', tool({ size: '1024x1024', aspect_ratio: '16:9' }), 'contradicts'],
    ['model', tool({ model: 'nothing' }), 'does not exist'],
    ['model', { model: 'claude' }, 'does not exist'],
    ['tool_choice', { tool_choice: 'required' }, "'image_generation'"],
    ['tool_choice', { tools, tool_choice: { type: 'function', name: 'f' } }, "'image_generation'"],
    ['tool_choice', { tools, tool_choice: { type: 'allowed_tools', tools: [{ type: 'mcp' }] } }, "'mcp'"],
    ['tool_choice', { tool_choice: 'sometimes' }, "'sometimes'"],
    ['input', { input: undefined }, 'a text, or a list'],
    ['input', { input: ' ' }, 'a text, or a list'],
    ['input', { input: [] }, 'at least 1'],
    ['input', { input: [{ role: 'assistant', content: 'x' }] }, "'user'"],
    ['input', user({ type: 'input_text', text: '' }), 'Describe the image'],
    ['input.0.content.1.file_id', user(text, { type: 'input_image', file_id: 'file_1' }), 'data URL'],
    ['input.0.content.0.type', user({ type: 'input_file', file_data: 'x' }), "'input_image'"],
    ['input.0.content.0.image_url', user({ type: 'input_image' }), 'Missing'],
    ['input.1', { input: [...user(text).input, { type: 'image_generation_call', id: 'ig_1' }] }, "'input_image'"],
    ['input.1', { input: [...user(text).input, { type: 'item_reference', id: 'ig_1' }] }, "'input_image'"],
  ]

  it('is refused by the name of what is not supported, with what to send instead', async () => {
    const { client } = await open()
    for (const [param, body, cure] of refused) {
      for (const stream of [false, true]) {
        const asking = client.post('/responses', { body: { input: 'a cat', ...body, stream } })
        const error = await Promise.resolve(asking).catch((thrown: unknown) => thrown)
        expect(error, JSON.stringify(body)).toBeInstanceOf(OpenAI.APIError)
        expect(error).toMatchObject({
          param,
          status: param === 'model' ? 404 : 400,
          message: expect.stringContaining(cure),
        })
      }
    }
    expect(await service.generations()).toEqual([])
  })

  it('may have what has no effect', async () => {
    const { client } = await open()
    const blank = { previous_response_id: null, conversation: null, background: false, n: 1, prompt: null }
    const quiet = { store: false, temperature: 1, top_p: 1, max_output_tokens: 9, truncation: 'auto', include: [] }
    const format = { text: { format: { type: 'text' }, verbosity: 'low' }, metadata: { a: 'b' }, user: 'u' }
    const options = { quality: 'low', output_format: 'webp', output_compression: 50, moderation: 'low', n: 1 }
    const choice = { tool_choice: { type: 'allowed_tools', mode: 'auto', tools } }
    const body = {
      input: 'a cat',
      ...blank,
      ...quiet,
      ...format,
      ...choice,
      ...tool({ ...options, background: 'auto' }),
    }
    // the compiler checks that a response has the fields of OpenAI's type
    const response: Omit<OpenAI.Responses.Response, 'output_text' | 'error' | 'usage'> =
      await client.post<ResponseObject>('/responses', { body })
    expect(callsIn(response)).toMatchObject([{ output_format: 'png', quality: 'auto' }])
  })
})
