/** An LLM behind OpenAI's chat completions, which answers what it is told to. */
import type { ServerResponse } from 'node:http'
import type { Faults } from '../faults.ts'
import { type Received, type Sent, startServer } from '../server.ts'
import {
  badRequest,
  contentFiltered,
  faultAnswers,
  noMoney,
  noSuchModel,
  problem,
  unsupported,
  wrongKey,
} from './errors.ts'
import { type Asked, readAsked } from './request.ts'

export interface LlmReply {
  content: string | { type: 'text'; text: string }[] | null
  finishReason?: 'stop' | 'length' | 'content_filter'
  refusal?: string
}

export interface LlmOptions {
  /** Absent: any free one. */
  port?: number
  key?: string
  model?: string
  /** The text of the last message → the answer. Default: that text without marks and a few words more. */
  reply?: (text: string, asked: Asked) => string | LlmReply
  /** Refuses max_tokens and temperature, as models that think do. */
  thinks?: boolean
  random?: () => number
  /** See `ServerOptions`. */
  keepRequests?: number
}

export interface Llm {
  /** 'http://127.0.0.1:<port>/v1'. */
  baseUrl: string
  key: string
  model: string
  requests: Received[]
  faults: Faults
  /** The requests that were answered with words, oldest first. */
  asked: Asked[]
  /** From now on there is no money left on the account. */
  setMoney(left: boolean): void
  stop(): Promise<void>
}

interface World {
  options: LlmOptions
  key: string
  model: string
  asked: Asked[]
  money: boolean
  requestId(): string
}

export async function startLlm(options: LlmOptions = {}): Promise<Llm> {
  const { port, key = 'sk-test-2f6b8c1d9e0a4b7c', model = 'small-talk-1', random = Math.random, keepRequests } = options
  const requestId = () => `req_${Math.floor(random() * 2 ** 48).toString(16)}`
  const world: World = { options, key, model, asked: [], money: true, requestId }
  const server = await startServer({
    port,
    random,
    keepRequests,
    answers: faultAnswers,
    handle: async (received, res) => {
      const sent = answer(world, received)
      if ('stream' in sent) return stream(res, { ...sent, world })
      return { ...sent, headers: { 'x-request-id': requestId(), ...sent.headers } }
    },
  })
  return {
    baseUrl: `${server.url}/v1`,
    key,
    model,
    requests: server.requests,
    faults: server.faults,
    asked: world.asked,
    setMoney: (left) => {
      world.money = left
    },
    stop: server.stop,
  }
}

interface Streamed {
  stream: LlmReply
  asked: Asked
}

function answer(world: World, received: Received): Sent | Streamed {
  const key = /^Bearer (.+)$/.exec(received.headers.authorization ?? '')?.[1] ?? ''
  if (key !== world.key) return wrongKey(key)
  if (received.method !== 'POST' || received.path !== '/v1/chat/completions')
    return problem(404, `Unknown request URL: ${received.method} ${received.path}.`, {
      type: 'invalid_request_error',
      code: 'unknown_url',
    })
  const asked = readAsked(received.body)
  if (typeof asked === 'string') return badRequest(asked)
  if (asked.model !== world.model) return noSuchModel(asked.model)
  if (!world.money) return noMoney()
  if (world.options.thinks && asked.max_tokens !== undefined) return unsupported('max_tokens')
  if (world.options.thinks && asked.temperature !== undefined) return unsupported('temperature')
  const text = asked.messages.at(-1)?.content ?? ''
  if (/nsfw/i.test(text)) return contentFiltered()
  const reply = world.options.reply?.(text, asked) ?? `${text.replace(/<[^>]*>/g, '').trim()}, in soft morning light`
  world.asked.push(asked)
  const full = typeof reply === 'string' ? { content: reply } : reply
  return asked.stream ? { stream: full, asked } : { status: 200, body: completion(world, full, asked) }
}

function completion({ model, requestId }: World, reply: LlmReply, asked: Asked) {
  const { content, finishReason = 'stop', refusal = null } = reply
  return {
    id: `chatcmpl-${requestId()}`,
    object: 'chat.completion',
    created: Math.floor(Date.now() / 1000),
    model,
    choices: [
      { index: 0, message: { role: 'assistant', content, refusal }, logprobs: null, finish_reason: finishReason },
    ],
    usage: usageOf(asked, textOf(reply)),
    system_fingerprint: null,
  }
}

const textOf = ({ content }: LlmReply) =>
  Array.isArray(content) ? content.map((part) => part.text).join('') : (content ?? '')

function usageOf({ messages }: Asked, text: string) {
  const prompt_tokens = Math.ceil(messages.map((message) => message.content).join('').length / 4)
  const completion_tokens = Math.ceil(text.length / 4)
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}

function stream(res: ServerResponse, { stream, asked, world }: Streamed & { world: World }): 'streamed' {
  const base = {
    id: `chatcmpl-${world.requestId()}`,
    object: 'chat.completion.chunk',
    created: Math.floor(Date.now() / 1000),
    model: world.model,
  }
  const chunk = (delta: object, finish_reason: string | null = null) => ({
    ...base,
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
  })
  const text = textOf(stream)
  const chunks: object[] = [
    chunk({ role: 'assistant', content: '' }),
    ...(text.match(/[\s\S]{1,12}/g) ?? []).map((content) => chunk({ content })),
    chunk({}, stream.finishReason ?? 'stop'),
    ...(asked.stream_options?.include_usage ? [{ ...base, choices: [], usage: usageOf(asked, text) }] : []),
  ]
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-request-id': world.requestId() })
  for (const each of chunks) res.write(`data: ${JSON.stringify(each)}\n\n`)
  res.end('data: [DONE]\n\n')
  return 'streamed'
}
