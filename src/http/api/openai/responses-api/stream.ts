/** Sends a response as server-sent events, as OpenAI numbers and names them. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../../../../core/errors.ts'
import type { Following } from '../../../../core/events/events.ts'
import { type Outcome, outcomeOf } from '../../../../core/history/outcome.ts'
import { waitForEnd } from '../../../../core/programs/wait.ts'
import { closedSignal } from '../../../server/reply-closed.ts'
import { type EventStream, openStream } from '../../../server/stream.ts'
import { errorAnswer, type Family } from '../../family.ts'
import { type ChatText, piecesOf } from '../chat-text.ts'
import { type ErrorBody, errorFormat } from '../errors.ts'
import { createPreviews, previewOf } from '../image-stream.ts'
import { assertSucceeded } from '../responses.ts'
import { callId, callsOf, messageOf, type ResponseOptions, responseOf, textPart } from './output.ts'
import type { ResponseObject } from './response-schemas.ts'

export interface AcceptedResponse {
  id: string
  following?: Following
  userId: string
  text: ChatText
  options: ResponseOptions
}

/** Sends the events of the output items. */
interface Output {
  begin(): void
  progress(progress: { percent?: number; preview?: Buffer }): void
  /** Resolves to the finished items. */
  end(outcome: Outcome): Promise<ResponseObject['output']>
}

/** Numbers the event and sends it. */
type Send = (type: string, fields: object) => void

interface OutputParts extends AcceptedResponse {
  accepted: Outcome
  stream: EventStream
  send: Send
}

/** Resolves when the stream has ended. Throws AppError unknown_request before it begins. */
export async function streamResponse(
  family: Family,
  request: FastifyRequest,
  reply: FastifyReply,
  response: AcceptedResponse,
): Promise<FastifyReply> {
  const { core } = family
  const { id, userId, options } = response
  const signal = closedSignal(reply)
  const accepted = await outcomeOf(core, userId, id)
  if (!accepted) throw new AppError('unknown_request')
  const stream = openStream(reply)
  let number = 0
  const send: Send = (type, fields) => stream.send({ type, sequence_number: number++, ...fields }, type)
  const open = options.calls ? callEvents : messageEvents
  const output = open(family, { ...response, accepted, stream, send })
  try {
    const started = responseOf(accepted, options, { status: 'in_progress' })
    send('response.created', { response: started })
    send('response.in_progress', { response: started })
    output.begin()
    const outcome = await waitForEnd(core, userId, id, { signal, onProgress: output.progress })
    assertSucceeded(outcome)
    const items = await output.end(outcome)
    send('response.completed', { response: responseOf(outcome, options, { status: 'completed', output: items }) })
  } catch (error) {
    if (!signal.aborted) {
      const { body } = errorAnswer(core, { format: errorFormat, error, request })
      const failed = responseOf(accepted, options, { status: 'failed', error: (body as ErrorBody).error })
      send('response.failed', { response: failed })
    }
  } finally {
    stream.end()
  }
  return reply
}

/** Previews belong to the first call: the pictures of a request are drawn together. */
function callEvents(family: Family, { accepted, options, stream, send }: OutputParts): Output {
  const type = 'image_generation_call'
  const first = { output_index: 0, item_id: callId(accepted) }
  let isGenerating = false
  const previews = createPreviews(family, stream, {
    max: options.partial_images,
    send: (file, index) => {
      const { data, ...properties } = previewOf(file)
      const fields = { partial_image_index: index, partial_image_b64: data, ...properties }
      send(`response.${type}.partial_image`, { ...first, ...fields })
    },
  })

  function begin(output_index: number): void {
    const item_id = callId(accepted, output_index)
    send('response.output_item.added', {
      output_index,
      item: { id: item_id, type, status: 'in_progress', result: null },
    })
    send(`response.${type}.in_progress`, { output_index, item_id })
  }

  function generating(): void {
    if (isGenerating) return
    isGenerating = true
    send(`response.${type}.generating`, first)
  }

  return {
    begin: () => begin(0),
    progress: (progress) => {
      generating()
      previews.show(progress)
    },
    end: async (outcome) => {
      await previews.sent()
      const calls = await callsOf(family.parts, outcome)
      generating()
      for (const [output_index, item] of calls.entries()) {
        if (output_index > 0) begin(output_index)
        send(`response.${type}.completed`, { output_index, item_id: item.id })
        send('response.output_item.done', { output_index, item })
      }
      return calls
    },
  }
}

function messageEvents({ parts }: Family, { accepted, text, send }: OutputParts): Output {
  const item = messageOf(accepted)
  const within = { output_index: 0, item_id: item.id, content_index: 0 }
  let content = ''

  function write(more: string): void {
    content += more
    for (const delta of piecesOf(more)) send('response.output_text.delta', { ...within, delta, logprobs: [] })
  }

  return {
    begin: () => {
      send('response.output_item.added', { output_index: 0, item })
      send('response.content_part.added', { ...within, part: textPart('') })
      write(text.start + text.progress())
    },
    progress: ({ percent }) => {
      if (percent !== undefined) write(text.progress(percent))
    },
    end: async (outcome) => {
      write(`\n${await text.end(parts, outcome)}`)
      const done = messageOf(accepted, content)
      send('response.output_text.done', { ...within, text: content, logprobs: [] })
      send('response.content_part.done', { ...within, part: textPart(content) })
      send('response.output_item.done', { output_index: 0, item: done })
      return [done]
    },
  }
}
