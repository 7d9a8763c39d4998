/** An LLM with OpenAI's chat completions API. Options choose its replies. */
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
  textOnlyAnswers,
  unsupported,
  wrongKey,
} from './errors.ts'
import { type CompletionRequest, parseRequest, picturesIn } from './request.ts'

export interface LlmReply {
  content: string | { type: 'text'; text: string }[] | null
  finishReason?: 'stop' | 'length' | 'content_filter'
  refusal?: string
}

export interface LlmOptions {
  /** Absent: any free port. */
  port?: number
  key?: string
  model?: string
  /** Returns the reply to the text of the last message. Default: that text without tags, and a few words more. */
  reply?: (text: string, request: CompletionRequest) => string | LlmReply
  /** The answer to pictures, of a model that reads text only; a number chooses one of `textOnlyAnswers`. Absent: it reads them. */
  textOnly?: number
  /** Refuses max_tokens and temperature, as reasoning models do. */
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
  /** The requests that got a reply, oldest first. */
  asked: CompletionRequest[]
  /** Whether the account still has money; without, requests fail with 'insufficient_quota'. */
  setMoney(left: boolean): void
  stop(): Promise<void>
}

interface World {
  options: LlmOptions
  key: string
  model: string
  asked: CompletionRequest[]
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
      const sent = respond(world, received)
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
  request: CompletionRequest
}

function respond(world: World, received: Received): Sent | Streamed {
  const key = /^Bearer (.+)$/.exec(received.headers.authorization ?? '')?.[1] ?? ''
  if (key !== world.key) return wrongKey(key)
  if (received.method !== 'POST' || received.path !== '/v1/chat/completions')
    return problem(404, `Unknown request URL: ${received.method} ${received.path}.`, {
      type: 'invalid_request_error',
      code: 'unknown_url',
    })
  const request = parseRequest(received.body)
  if (typeof request === 'string') return badRequest(request)
  if (request.model !== world.model) return noSuchModel(request.model)
  if (!world.money) return noMoney()
  if (world.options.thinks && request.max_tokens !== undefined) return unsupported('max_tokens')
  if (world.options.thinks && request.temperature !== undefined) return unsupported('temperature')
  const pictures = picturesIn(received.body)
  const refusal = textOnlyAnswers[world.options.textOnly ?? -1]
  if (pictures.length > 0 && refusal) return refusal
  const text = request.messages.at(-1)?.content ?? ''
  if (/nsfw/i.test(text)) return contentFiltered()
  const reply = world.options.reply?.(text, request) ?? `${text.replace(/<[^>]*>/g, '').trim()}, in soft morning light`
  world.asked.push(request)
  const full = typeof reply === 'string' ? { content: reply } : reply
  return request.stream ? { stream: full, request } : { status: 200, body: completion(world, full, request) }
}

function completion({ model, requestId }: World, reply: LlmReply, request: CompletionRequest) {
  const { content, finishReason = 'stop', refusal = null } = reply
  return {
    id: `chatcmpl-${requestId()}`,
    object: 'chat.completion',
    created: Math.floor(Date.now() / 1000),
    model,
    choices: [
      { index: 0, message: { role: 'assistant', content, refusal }, logprobs: null, finish_reason: finishReason },
    ],
    usage: usageOf(request, textOf(reply)),
    system_fingerprint: null,
  }
}

const textOf = ({ content }: LlmReply) =>
  Array.isArray(content) ? content.map((part) => part.text).join('') : (content ?? '')

function usageOf({ messages }: CompletionRequest, text: string) {
  const prompt_tokens = Math.ceil(messages.map((message) => message.content).join('').length / 4)
  const completion_tokens = Math.ceil(text.length / 4)
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}

function stream(res: ServerResponse, { stream, request, world }: Streamed & { world: World }): 'streamed' {
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
    ...(request.stream_options?.include_usage ? [{ ...base, choices: [], usage: usageOf(request, text) }] : []),
  ]
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-request-id': world.requestId() })
  for (const each of chunks) res.write(`data: ${JSON.stringify(each)}\n\n`)
  res.end('data: [DONE]\n\n')
  return 'streamed'
}
