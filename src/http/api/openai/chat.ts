/** `POST /v1/chat/completions`: the last user message is the prompt, the completion is Markdown with the images. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import { AppError } from '../../../core/errors.ts'
import type { Following } from '../../../core/events/events.ts'
import { type Outcome, outcomeOf } from '../../../core/history/outcome.ts'
import type { Attachment } from '../../../core/ports/chat.ts'
import { waitForEnd } from '../../../core/programs/wait.ts'
import { bodyWithPicturesBytes } from '../../server/bodies.ts'
import { closedSignal } from '../../server/reply-closed.ts'
import { openStream } from '../../server/stream.ts'
import { parseWith } from '../../server/validation.ts'
import { type ApiApp, errorAnswer, type Family } from '../family.ts'
import { inputOf } from '../inputs.ts'
import { answerOnce } from '../once.ts'
import { type ChatText, chatText, piecesOf } from './chat-text.ts'
import { errorFormat, OpenAiError } from './errors.ts'
import { setJobHeader } from './jobs.ts'
import { chatParams } from './params.ts'
import { chatResponses, tags } from './response-schemas.ts'
import { assertSucceeded, seconds, textTokens } from './responses.ts'
import { type ChatBody, chatBody, idempotencyHeaders, userContent } from './schemas.ts'

type CompletionOptions = Pick<ChatBody, 'model' | 'stream_options'>

interface AcceptedRequest {
  id: string
  following?: Following
  holder: KeyHolder
  text: ChatText
  options: CompletionOptions
}

const schema = {
  summary: 'Creates the images that the last user message describes.',
  description:
    'The last user message is the prompt: text with an optional ratio such as `16:9` and optional flags at its end, and ' +
    '`image_url` parts. Earlier messages are ignored. The completion is Markdown that links to the images.',
  operationId: 'createChatCompletion',
  tags,
  body: chatBody,
  documented: { headers: idempotencyHeaders },
  response: chatResponses,
}

export function chatRoutes(app: ApiApp, family: Family): void {
  app.post('/chat/completions', { bodyLimit: bodyWithPicturesBytes, schema }, async (request, reply) => {
    const { body } = request
    const holder = await family.authenticate(request)
    const { text, images } = lastUserMessage(family, holder, { name: 'messages', messages: body.messages })
    const { chosen, params } = chatParams(family.core, holder, body, { text, images: images.length })
    const order = { holder, chosen, params, images, content: JSON.stringify(body) }
    const { model, stream_options } = body
    const respond = body.stream ? streamCompletion : sendCompletion
    // do not hold the messages while waiting: they may contain images
    const options = { model, stream_options }
    const completion = chatText(text)
    const answer = (id: string, following?: Following) => {
      setJobHeader(reply, id)
      return respond(family, request, reply, { id, following, holder, text: completion, options })
    }
    return answerOnce(family.parts, { request, reply, order, answer })
  })
}

interface Conversation {
  /** The field that has the messages. */
  name: string
  messages: readonly { role?: string; content?: unknown }[]
}

/** Throws OpenAiError and InvalidRequest. */
export function lastUserMessage(
  family: Family,
  holder: KeyHolder,
  { name, messages }: Conversation,
): { text: string; images: Attachment[] } {
  const at = messages.findLastIndex(({ role }) => role === 'user')
  if (at < 0) {
    throw new OpenAiError(`Invalid value for '${name}': it must contain a message with the role 'user'.`, {
      param: name,
      code: 'invalid_value',
    })
  }
  const content = parseWith(userContent, messages[at]?.content, [name, String(at), 'content'])
  const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content
  const text = parts.flatMap((part) => ('text' in part ? [String(part.text)] : [])).join(' ')
  const addresses = parts.flatMap((part) => ('text' in part ? [] : [addressOf(part.image_url)]))
  return { text, images: addresses.map((address) => inputOf(family, holder, address)) }
}

const addressOf = (imageUrl: string | { url: string }) => (typeof imageUrl === 'string' ? imageUrl : imageUrl.url)

async function sendCompletion(
  { core, parts }: Family,
  _request: FastifyRequest,
  reply: FastifyReply,
  { id, following, holder, text, options }: AcceptedRequest,
) {
  const outcome = await waitForEnd(core, holder.userId, id, { signal: closedSignal(reply), following })
  assertSucceeded(outcome)
  const content = `${text.start}\n${await text.end(parts, outcome)}`
  const message = { role: 'assistant' as const, content, refusal: null }
  return {
    ...envelope('chat.completion', outcome, options),
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' as const }],
    usage: chatUsageOf(outcome, content),
  }
}

async function streamCompletion(
  { core, parts }: Family,
  request: FastifyRequest,
  reply: FastifyReply,
  { id, holder, text, options }: AcceptedRequest,
) {
  const signal = closedSignal(reply)
  const events = openStream(reply)
  try {
    const accepted = await outcomeOf(core, holder.userId, id)
    if (!accepted) throw new AppError('unknown_request')
    const chunk = (delta: object, finish: 'stop' | null = null) => ({
      ...envelope('chat.completion.chunk', accepted, options),
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    })
    let content = ''
    const write = (more: string) => {
      content += more
      for (const piece of piecesOf(more)) events.send(chunk({ content: piece }))
    }
    events.send(chunk({ role: 'assistant', content: '' }))
    write(text.start + text.progress())
    const onProgress = ({ percent }: { percent?: number }) => percent !== undefined && write(text.progress(percent))
    const outcome = await waitForEnd(core, holder.userId, id, { signal, onProgress })
    assertSucceeded(outcome)
    write(`\n${await text.end(parts, outcome)}`)
    events.send(chunk({}, 'stop'))
    if (options.stream_options?.include_usage) {
      const usage = chatUsageOf(outcome, content)
      events.send({ ...envelope('chat.completion.chunk', accepted, options), choices: [], usage })
    }
    events.send('[DONE]')
  } catch (error) {
    if (!signal.aborted) events.send(errorAnswer(core, { format: errorFormat, error, request }).body)
  } finally {
    events.end()
  }
  return reply
}

function envelope<T extends 'chat.completion' | 'chat.completion.chunk'>(
  object: T,
  { id, createdAt, model, endpoint }: Outcome,
  options: CompletionOptions,
) {
  // clients of Cloudflare know its models by their own names
  const drawnBy = endpoint.startsWith('@cf/') ? endpoint : model
  return { id: `chatcmpl-${id}`, object, created: seconds(createdAt), model: options.model ?? drawnBy }
}

function chatUsageOf({ prompt, credits }: Outcome, content: string) {
  const input = textTokens(prompt)
  const output = textTokens(content)
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output, credits }
}
