import OpenAI from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import type { Enhancer, Task } from '../../../../src/core/ports/providers.ts'
import { createPlain, pngOf, type TestCoreOptions } from '../../../helpers/core.ts'
import { isInBucket } from '../../../helpers/store.ts'
import { closeService, createGate, openService, type Service } from './service.ts'

let service: Service
afterEach(async () => {
  expect(await closeService(service)).toEqual([])
})

type Messages = OpenAI.ChatCompletionMessageParam[]
const userMessage = (content: string): Messages => [{ role: 'user', content }]
const poet: Enhancer = { model: 'poet', enhance: async () => 'a splendid cat', close: async () => undefined }

async function open(options: TestCoreOptions = {}) {
  const tasks: Task[] = []
  const provider = createPlain({
    start: async (task) => {
      tasks.push(task)
      const { count = 1 } = task.input as { count?: number }
      return { state: 'done', images: await Promise.all(Array.from({ length: count }, () => pngOf(64, 48))) }
    },
  })
  service = await openService({ providers: [provider], ...options })
  await service.test.work()
  return { client: service.client(), tasks }
}

describe('a chat completion', () => {
  it.skipIf(isInBucket)('is Markdown with the images, and ignores earlier messages', async () => {
    const { client, tasks } = await open({ enhancer: poet })
    const messages: Messages = [
      { role: 'system', content: 'You are helpful.' },
      { role: 'user', content: 'a dog' },
      { role: 'assistant', content: null, tool_calls: [] },
      { role: 'assistant', tool_calls: [] },
      { role: 'user', content: 'a cat 16:9 --n 2 --enhance' },
      { role: 'assistant', content: 'Here' },
    ]
    const answer = await client.chat.completions.create({ model: 'sketch', messages, temperature: 1, tools: [] })
    const content = answer.choices[0]?.message.content ?? ''
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'sketch',
      id: expect.stringMatching(/^chatcmpl-/),
    })
    expect(answer.choices).toHaveLength(1)
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop', message: { role: 'assistant' } })
    expect(content.split('\n').slice(0, 6)).toEqual([
      '🎨 Original prompt: a cat 16:9 --n 2 --enhance',
      '💬 Prompt optimizer: poet',
      '🌐 Optimized prompt: a splendid cat',
      '📐 Image size: 64x48',
      '🌟 The image is ready!',
      'Here is the result:',
    ])
    expect(content.match(/^!\[a cat\]\(http:\/\/localhost:8080\/image\/\S+\)$/gm)).toHaveLength(2)
    expect(answer.usage?.total_tokens).toBe((answer.usage?.prompt_tokens ?? 0) + (answer.usage?.completion_tokens ?? 0))
    expect(tasks[0]?.input).toMatchObject({ prompt: 'a splendid cat', width: 1024, height: 576, count: 2 })
  })

  it('uses the texts and images of the last user message', async () => {
    const { client, tasks } = await open()
    const url = `data:image/png;base64,${(await pngOf(30, 30)).toString('base64')}`
    const content: OpenAI.ChatCompletionContentPart[] = [
      { type: 'text', text: 'make it' },
      { type: 'image_url', image_url: { url, detail: 'auto' } },
      { type: 'text', text: 'night --seed 3' },
    ]
    await client.chat.completions.create({ model: 'gpt-image-1', messages: [{ role: 'user', content }] })
    expect(tasks[0]?.input).toMatchObject({ prompt: 'make it night', seed: '3' })
    expect(tasks[0]?.images.map(({ width }) => width)).toEqual([30])
  })

  it('escapes Markdown in the prompt', async () => {
    const { client } = await open()
    const messages = userMessage('![x](https://a.example/b.png) <b>')
    const answer = await client.chat.completions.create({ model: 'sketch', messages })
    const content = answer.choices[0]?.message.content ?? ''
    expect(content).toContain('!\\[x\\](https://a.example/b.png) \\<b\\>')
    expect(content.match(/(?<!\\)\]\(/g)).toHaveLength(1)
  })

  it.each<[string, object, string | null]>([
    ['there are no messages', { messages: [] }, 'messages'],
    ['there is no user message', { messages: [{ role: 'system', content: 'x' }] }, 'messages'],
    ['the user message has no content', { messages: [{ role: 'user' }] }, 'messages.0.content'],
    ['the prompt is blank', { messages: userMessage(' ') }, 'prompt'],
    [
      'the type of a part is unknown',
      { messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] },
      'messages.0.content',
    ],
    ['the ratio is unknown', { messages: userMessage('a cat --ar 7:3') }, 'size'],
    [
      'a negative prompt is too long',
      { messages: userMessage(`a cat --no "${'x'.repeat(5_000)}"`) },
      'negative_prompt',
    ],
    ['a flag is unknown', { messages: userMessage('a cat --wild 3') }, null],
  ])('is refused when %s', async (_name, body, param) => {
    const { client } = await open()
    const asking = client.post('/chat/completions', { body: { model: 'sketch', ...body } })
    const error = await Promise.resolve(asking).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ param })
    expect(await service.generations()).toEqual([])
  })
})

describe('a completion stream', () => {
  it('sends the completion in small chunks, then the finish reason and the usage', async () => {
    const { client } = await open({ enhancer: { ...poet, enhance: async () => 'é'.repeat(1_500) } })
    const stream = await client.chat.completions.create({
      model: 'sketch',
      messages: userMessage('a cat --enhance'),
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks: OpenAI.ChatCompletionChunk[] = []
    for await (const chunk of stream) chunks.push(chunk)
    const content = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')
    expect(content).toMatch(/^🎨 Original prompt: a cat --enhance\n⏳ [\s\S]*é{1500}[\s\S]*!\[a cat\]\(http\S+\)$/)
    expect(chunks[0]?.choices[0]?.delta).toEqual({ role: 'assistant', content: '' })
    expect(chunks.at(-2)?.choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' })
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: expect.any(Number) } })
    expect(new Set(chunks.map(({ id, created }) => `${id} ${created}`)).size).toBe(1)
  })

  it('begins at once, keeps lines short and closes with [DONE]', async () => {
    const gate = createGate()
    const slow = createPlain({
      start: async () => {
        await gate.opened
        return { state: 'done', images: [await pngOf(64, 64)] }
      },
    })
    await open({ providers: [slow] })
    const answer = await fetch(`${service.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${service.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ messages: userMessage('"quoted" '.repeat(400)), stream: true }),
    })
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/)
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    let text = (await reader?.read())?.value ?? ''
    expect(text).toMatch(/^: ping\n\n/)
    gate.open()
    for (let more = await reader?.read(); more && !more.done; more = await reader?.read()) text += more.value
    const lines = text.split('\n')
    expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThan(4_096)
    expect(lines.filter((line) => line !== '').at(-1)).toBe('data: [DONE]')
  })

  it('ends with the error when the request fails', async () => {
    const failing = createPlain({ start: async () => Promise.reject(new Error('secret')) })
    service = await openService({ providers: [failing], limits: { deadlineMs: 20_000 } })
    await service.test.work()
    const client = service.client()
    const stream = await client.chat.completions.create({
      model: 'sketch',
      messages: userMessage('a cat'),
      stream: true,
    })
    const reading = (async () => {
      for await (const _ of stream);
    })()
    const error = await reading.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OpenAI.APIError)
    expect(JSON.stringify((error as InstanceType<typeof OpenAI.APIError>).error)).not.toContain('secret')
    service.log.lines.length = 0
  })
})
