/** `POST /v1/responses`: the last user message is the prompt, the output calls of the tool `image_generation` or a message. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Following } from '../../../../core/events/events.ts'
import { waitForEnd } from '../../../../core/programs/wait.ts'
import { bodyWithPicturesBytes } from '../../../server/bodies.ts'
import { closedSignal } from '../../../server/reply-closed.ts'
import type { ApiApp, Family } from '../../family.ts'
import { answerOnce, wantsJob } from '../../once.ts'
import { chatText } from '../chat-text.ts'
import { OpenAiError } from '../errors.ts'
import { respondWithNewJob, setJobHeader } from '../jobs.ts'
import { tags } from '../response-schemas.ts'
import { assertSucceeded, type Format } from '../responses.ts'
import { imageHeaders as headers } from '../schemas.ts'
import { messageIn } from './input.ts'
import { callsOf, messageOf, responseOf } from './output.ts'
import { responseParams } from './params.ts'
import { type ResponseObject, responsesResponses } from './response-schemas.ts'
import { responsesBody } from './schemas.ts'
import { type AcceptedResponse, streamResponse } from './stream.ts'
import { assertSupported, wantsCalls } from './supported.ts'

const creation = {
  summary: 'Creates images with the tool `image_generation`, or a message that links to images.',
  description:
    'OpenAI’s Responses API. No response and no context is kept: `previous_response_id`, `conversation` and `background` are ' +
    'refused, and so are other tools, masks, and formats of text.',
  operationId: 'createResponse',
  tags,
  body: responsesBody,
  documented: { headers },
  response: responsesResponses,
}

export function responseRoutes(app: ApiApp, family: Family): void {
  app.post('/responses', { bodyLimit: bodyWithPicturesBytes, schema: creation }, async (request, reply) => {
    const { body } = request
    const holder = await family.authenticate(request)
    const { text, images } = messageIn(family, holder, body.input)
    assertSupported(body, images.length)
    const { chosen, params } = responseParams(family.core, holder, body, { text, images: images.length })
    const { model, stream, webhook_url: webhookUrl, tools: [tool] = [] } = body
    const calls = wantsCalls(body)
    const format: Format = calls ? 'b64_json' : 'url'
    const order = { holder, chosen, params, images, webhookUrl, format, content: JSON.stringify(body) }
    // do not hold the messages while waiting: they may contain images
    const options = { model, calls, partial_images: tool?.partial_images ?? 0 }
    const message = chatText(text)
    const { userId } = holder
    const answer = async (id: string, following?: Following) => {
      setJobHeader(reply, id)
      const accepted = { id, following, userId, text: message, options }
      // before `Prefer: respond-async`, because a client that expects events cannot parse a job
      if (stream) return streamResponse(family, request, reply, accepted)
      if (wantsJob(request)) return respondWithNewJob(family, reply, id)
      return finishedResponse(family, reply, accepted)
    }
    return answerOnce(family.parts, { request, reply, order, answer })
  })
  app.route({ method: ['GET', 'DELETE'], url: '/responses/:id', schema: { hide: true }, handler: refuseLookup })
}

/** Not part of the document, because it finds nothing. */
async function refuseLookup({ params }: FastifyRequest): Promise<never> {
  const { id } = params as { id: string }
  throw new OpenAiError(`There is no response '${id.slice(0, 100)}': no response is kept.`, {
    status: 404,
    param: 'id',
    code: 'response_not_found',
  })
}

async function finishedResponse(
  { core, parts }: Family,
  reply: FastifyReply,
  { id, following, userId, text, options }: AcceptedResponse,
): Promise<ResponseObject> {
  const outcome = await waitForEnd(core, userId, id, { signal: closedSignal(reply), following })
  assertSucceeded(outcome)
  const output = options.calls
    ? await callsOf(parts, outcome)
    : [messageOf(outcome, `${text.start}\n${await text.end(parts, outcome)}`)]
  return responseOf(outcome, options, { status: 'completed', output })
}
