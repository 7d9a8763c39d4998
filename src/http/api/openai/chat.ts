/** `POST /v1/chat/completions`: the last message of the user is the prompt, the answer is markdown with the pictures. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Outcome } from '../../../core/history/outcome.ts'
import type { Attachment } from '../../../core/ports/chat.ts'
import { waitForEnd } from '../../../core/programs/wait.ts'
import { bodyWithPicturesBytes } from '../../server/bodies.ts'
import { closedSignal } from '../../server/reply-closed.ts'
import { openStream } from '../../server/stream.ts'
import { parseWith } from '../../server/validation.ts'
import { type ApiApp, type Family, problemOf } from '../family.ts'
import { inputOf } from '../inputs.ts'
import { answerOnce } from '../once.ts'
import { OpenAiError, refusals } from './errors.ts'
import { nameJob } from './jobs.ts'
import { markdownOf, tokensOf } from './markdown.ts'
import { chatParams } from './params.ts'
import { chatAnswers, tags } from './response-schemas.ts'
import { assertDone, seconds } from './responses.ts'
import { type ChatBody, chatBody, headersOfOrders, userContent } from './schemas.ts'

type Wanted = Pick<ChatBody, 'model' | 'stream_options'>

interface Waiting {
  id: string
  holder: KeyHolder
  wanted: Wanted
}

/** JSON of so many characters stays below 4 kB a line: some clients cannot read longer ones. */
const pieceLength = 500

const schema = {
  summary: 'Draws what the last message of the user says.',
  description:
    'Words, a ratio such as 16:9 and flags at the end of them, and `image_url` parts. The answer is markdown with the ' +
    'pictures in it. No context is kept.',
  operationId: 'createChatCompletion',
  tags,
  body: chatBody,
  documented: { headers: headersOfOrders },
  response: chatAnswers,
}

export function chatRoutes(app: ApiApp, family: Family): void {
  app.post('/chat/completions', { bodyLimit: bodyWithPicturesBytes, schema }, async (request, reply) => {
    const { body } = request
    const holder = await family.authenticate(request)
    const { text, images } = lastWords(family, holder, body)
    const params = chatParams(family.core, holder, body, { text, images: images.length })
    const order = { holder, params, images, content: JSON.stringify(body) }
    const { model, stream_options } = body
    const respond = body.stream ? streamCompletion : sendCompletion
    // not the messages, which may hold pictures
    const wanted = { model, stream_options }
    const answer = (id: string) => {
      nameJob(reply, id)
      return respond(family, request, reply, { id, holder, wanted })
    }
    return answerOnce(family.parts, { request, reply, order, answer })
  })
}

function lastWords(family: Family, holder: KeyHolder, { messages }: ChatBody): { text: string; images: Attachment[] } {
  const at = messages.findLastIndex(({ role }) => role === 'user')
  if (at < 0) throw new OpenAiError('There is no message of the user.', { param: 'messages', code: 'invalid_value' })
  const content = parseWith(userContent, messages[at]?.content, ['messages', String(at), 'content'])
  const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content
  const text = parts.flatMap((part) => ('text' in part ? [String(part.text)] : [])).join('\n')
  const addresses = parts.flatMap((part) => ('text' in part ? [] : [addressOf(part.image_url)]))
  return { text, images: addresses.map((address) => inputOf(family, holder, address)) }
}

const addressOf = (given: string | { url: string }) => (typeof given === 'string' ? given : given.url)

async function sendCompletion(
  { core, parts }: Family,
  _request: FastifyRequest,
  reply: FastifyReply,
  waiting: Waiting,
) {
  const { id, holder, wanted } = waiting
  const outcome = await waitForEnd(core, holder.userId, id, { signal: closedSignal(reply) })
  assertDone(outcome)
  const content = await markdownOf(parts, outcome)
  const message = { role: 'assistant' as const, content, refusal: null }
  return {
    ...envelope('chat.completion', outcome, wanted),
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' as const }],
    usage: tokensOf(outcome, content),
  }
}

async function streamCompletion(
  { core, parts }: Family,
  request: FastifyRequest,
  reply: FastifyReply,
  waiting: Waiting,
) {
  const { id, holder, wanted } = waiting
  const signal = closedSignal(reply)
  const events = openStream(reply)
  try {
    const outcome = await waitForEnd(core, holder.userId, id, { signal })
    assertDone(outcome)
    const content = await markdownOf(parts, outcome)
    const chunk = (delta: object, finish: 'stop' | null = null) => ({
      ...envelope('chat.completion.chunk', outcome, wanted),
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    })
    events.send(chunk({ role: 'assistant', content: '' }))
    for (const piece of pieces(content)) events.send(chunk({ content: piece }))
    events.send(chunk({}, 'stop'))
    if (wanted.stream_options?.include_usage) {
      const usage = tokensOf(outcome, content)
      events.send({ ...envelope('chat.completion.chunk', outcome, wanted), choices: [], usage })
    }
    events.send('[DONE]')
  } catch (error) {
    if (!signal.aborted) events.send(problemOf(core.log, refusals, request, error).body)
  } finally {
    events.end()
  }
  return reply
}

function envelope<T extends 'chat.completion' | 'chat.completion.chunk'>(
  object: T,
  { id, createdAt, model }: Outcome,
  wanted: Wanted,
) {
  return { id: `chatcmpl-${id}`, object, created: seconds(createdAt), model: wanted.model ?? model }
}

/** Never between the two halves of one character. */
function pieces(text: string): string[] {
  return text.match(new RegExp(`[\\s\\S]{1,${pieceLength}}`, 'gu')) ?? []
}
