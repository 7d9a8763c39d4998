/**
 * OpenAI's images API, and relays that offer it, on a local port. Parameters are checked strictly.
 *
 * Models: 'gpt-image-2' answers in base64 as OpenAI does; 'relay-image' answers as relays do, with addresses and empty texts;
 * 'mixed-image' with one of each; 'chat-…' answer chat completions: 'chat-markdown' with a data URL in the text, 'chat-hosted'
 * with an address, 'chat-fields' in `message.images`.
 *
 * Words in a prompt: 'nsfw' is refused, 'nsfwempty' is answered with an empty list, 'nsfwerror' with status 200 and an error,
 * 'talk' (chat) with words alone, 'onefails' with one picture less.
 */
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLinks } from '../links.ts'
import { badRequest, faultAnswers, noMoney, noSuchModel, problem, wrongKey } from '../llm/errors.ts'
import { picture } from '../pictures.ts'
import { type EmulatorServer, type Received, type Sent, startServer } from '../server.ts'
import { parseForm } from './form.ts'
import { type ChatBody, chatShape, editShape, generationShape, type ImageBody } from './schemas.ts'

export interface OpenAiImagesOptions {
  port?: number
  key?: string
  workMs?: number
  /** Makes the bytes of each picture. Default: real pictures of the requested size. */
  picture?: () => Promise<Buffer>
  random?: () => number
  keepRequests?: number
}

export interface OpenAiImages extends EmulatorServer {
  /** The address to configure a client with. */
  baseUrl: string
  key: string
  /** Number of billed requests. */
  accepted(): number
  /** Bodies of the billed requests, with defaults filled in. */
  bodies: (ImageBody | ChatBody)[]
  switches: {
    /** The account has no money. */
    empty: boolean
    /** The relay offers no list of models. */
    noList: boolean
    /** Answers a stream with plain JSON, as relays do that know no streams. */
    noStreams: boolean
    /** Ends a stream after its previews. */
    cutStreams: boolean
  }
}

const imageModels = ['gpt-image-2', 'relay-image', 'mixed-image']
const chatModels = ['chat-markdown', 'chat-hosted', 'chat-fields']

const moderated = () =>
  problem(400, 'Your request was rejected by the safety system. safety_violations=[sexual].', {
    type: 'image_generation_user_error',
    code: 'moderation_blocked',
  })

export async function startOpenAiImages(options: OpenAiImagesOptions = {}): Promise<OpenAiImages> {
  const { key = 'sk-images-emulated-0001', workMs = 0 } = options
  const links = createLinks('/relay-files', 'png')
  const bodies: OpenAiImages['bodies'] = []
  const switches = { empty: false, noList: false, noStreams: false, cutStreams: false }

  const draw = ({ size, output_format: type }: Pick<ImageBody, 'size' | 'output_format'>, seed: number) => {
    const [width = 1024, height = 1024] = size === 'auto' ? [] : size.split('x').map(Number)
    return options.picture?.() ?? picture(width, height, type, seed)
  }
  const hosted = (make: () => Promise<Buffer>) =>
    server.url + links.add((signature) => ({ signature, expires: '3600' }), make, 'image/png')

  async function images(body: ImageBody, res: ServerResponse): Promise<Sent | 'streamed'> {
    const words = wordsIn(body.prompt)
    if (switches.empty) return noMoney()
    if (words.has('nsfw')) return moderated()
    bodies.push(body)
    if (workMs > 0) await sleep(workMs)
    if (words.has('nsfwempty')) return { status: 200, body: { created: 1, data: [] } }
    if (words.has('nsfwerror'))
      return { status: 200, body: { error: { message: 'blocked', code: 'content_policy_violation' } } }
    const count = body.n - (words.has('onefails') ? 1 : 0)
    const items = Array.from({ length: count }, async (_, at) => {
      const isHosted = body.model === 'relay-image' || (body.model === 'mixed-image' && at === 0)
      const text = isHosted ? '' : (await draw(body, at)).toString('base64')
      return body.model === 'gpt-image-2'
        ? { b64_json: text }
        : { url: isHosted ? hosted(() => draw(body, at)) : '', b64_json: text, revised_prompt: '' }
    })
    const data = await Promise.all(items)
    const usage = { input_tokens: 12, output_tokens: 1056 * count, total_tokens: 12 + 1056 * count }
    if (body.stream && !switches.noStreams) return stream(res, { body, data, usage })
    return { status: 200, body: { created: 1, data, ...(body.model === 'gpt-image-2' && { usage }) } }
  }

  async function stream(
    res: ServerResponse,
    { body, data, usage }: { body: ImageBody; data: { b64_json: string }[]; usage: object },
  ): Promise<'streamed'> {
    const kind = 'images' in body ? 'image_edit' : 'image_generation'
    const send = (name: string, rest: object) =>
      res.write(
        `event: ${kind}.${name}\ndata: ${JSON.stringify({ type: `${kind}.${name}`, created_at: 1, ...rest })}\n\n`,
      )
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let at = 0; at < body.partial_images; at++) {
      send('partial_image', {
        partial_image_index: at,
        b64_json: (await picture(256, 256, 'png', at)).toString('base64'),
      })
    }
    if (!switches.cutStreams) for (const { b64_json } of data) send('completed', { b64_json, usage })
    res.end()
    return 'streamed'
  }

  async function chat(body: ChatBody): Promise<Sent> {
    const text = body.messages
      .flatMap(({ content }) => (typeof content === 'string' ? [content] : textsOf(content)))
      .join(' ')
    const words = wordsIn(text)
    if (switches.empty) return noMoney()
    if (words.has('nsfw')) return moderated()
    bodies.push(body)
    if (workMs > 0) await sleep(workMs)
    const finish = words.has('nsfwempty') ? 'content_filter' : 'stop'
    const make = () => draw({ size: '1024x1024', output_format: 'png' }, 0)
    const address =
      body.model === 'chat-hosted' ? hosted(make) : `data:image/png;base64,${(await make()).toString('base64')}`
    const message =
      finish === 'content_filter'
        ? { role: 'assistant', content: null }
        : words.has('talk')
          ? { role: 'assistant', content: 'I can only draw one thing at a time. Which one?' }
          : body.model === 'chat-fields'
            ? { role: 'assistant', content: '', images: [{ type: 'image_url', image_url: { url: address } }] }
            : { role: 'assistant', content: `Here it is:\n\n![image](${address})` }
    return {
      status: 200,
      body: { id: 'c', object: 'chat.completion', choices: [{ index: 0, message, finish_reason: finish }] },
    }
  }

  async function handle(received: Received, res: ServerResponse): Promise<Sent | 'streamed'> {
    const link = await links.serve(received)
    if (link) return link
    const { method, path, headers } = received
    if (headers.authorization !== `Bearer ${key}`) return wrongKey(String(headers.authorization ?? '').slice(7))
    if (method === 'GET' && path === '/v1/models' && !switches.noList) {
      const data = [...imageModels, ...chatModels].map((id) => ({
        id,
        object: 'model',
        created: 1,
        owned_by: 'emulator',
      }))
      return { status: 200, body: { object: 'list', data } }
    }
    if (method === 'POST' && path === '/v1/images/generations') {
      const parsed = checked(generationShape, jsonIn(received), imageModels)
      return 'refusal' in parsed ? parsed.refusal : images(parsed.body, res)
    }
    if (method === 'POST' && path === '/v1/images/edits') {
      const parsed = checked(editShape, await parseForm(received), imageModels)
      return 'refusal' in parsed ? parsed.refusal : images(parsed.body, res)
    }
    if (method === 'POST' && path === '/v1/chat/completions') {
      const parsed = checked(chatShape, jsonIn(received), chatModels)
      return 'refusal' in parsed ? parsed.refusal : chat(parsed.body)
    }
    return problem(404, `Invalid URL (${method} ${path})`, { type: 'invalid_request_error' })
  }

  const { port, random, keepRequests } = options
  const server = await startServer({ port, random, keepRequests, answers: faultAnswers, handle })
  return { ...server, baseUrl: `${server.url}/v1`, key, accepted: () => bodies.length, bodies, switches }
}

const wordsIn = (text: string) => new Set(text.toLowerCase().match(/[\w-]+/g))

const textsOf = (content: Exclude<ChatBody['messages'][number]['content'], string>) =>
  content.flatMap((part) => (part.type === 'text' ? [part.text] : []))

function jsonIn({ body }: Received): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}

interface Shape<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: import('zod').ZodError }
}

function checked<T extends { model: string }>(
  shape: Shape<T>,
  value: unknown,
  models: readonly string[],
): { body: T } | { refusal: Sent } {
  const parsed = shape.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
    const param = unknown ?? issue?.path.join('.') ?? ''
    if (unknown === undefined) return { refusal: badRequest(`Invalid value for '${param}': ${issue?.message}`, param) }
    const details = { type: 'invalid_request_error', code: 'unknown_parameter', param }
    return { refusal: problem(400, `Unknown parameter: '${param}'.`, details) }
  }
  if (!models.includes(parsed.data.model)) return { refusal: noSuchModel(parsed.data.model) }
  return { body: parsed.data }
}
