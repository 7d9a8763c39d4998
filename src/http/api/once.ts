/**
 * A request makes one generation, even when the client repeats it after a broken connection. Idempotency keys lead to the
 * generation instead of a stored response: a repeated request gets fresh links, or waits for the same pictures.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { v7 as uuidv7 } from 'uuid'
import type { KeyHolder } from '../../core/accounts/api-keys.ts'
import { AppError } from '../../core/errors.ts'
import type { Following } from '../../core/events/events.ts'
import { type Asked, ask, askedBefore, type ProgramRequest } from '../../core/programs/ask.ts'
import { begin, finish, forget, noteAnswered, noteUnanswered, unanswered } from '../../core/programs/idempotency.ts'
import type { Json } from '../../db/json.ts'
import { canParseUrl } from '../../net/can-parse-url.ts'
import { NetError } from '../../net/errors.ts'
import { checkUrl } from '../../net/guard.ts'
import type { ApiParts } from './parts.ts'

export interface Order extends Omit<ProgramRequest, 'key' | 'id'> {
  /** What the client sent. Distinguishes this request from others with the same idempotency key. */
  content: string
}

export interface Exchange<T> {
  request: FastifyRequest
  reply: FastifyReply
  order: Order
  /**
   * Answers with the generation. Called for the request that was accepted and for each repetition. `following`: since before it was
   * accepted; absent for a repetition.
   */
  answer(id: string, following?: Following): Promise<T>
}

type Parts = Pick<ApiParts, 'core' | 'answering'>

/**
 * Submits the order unless the same request was accepted before, then answers. Neither this function nor `answer` holds the
 * order while a generation is waited for: it may contain pictures.
 */
export function answerOnce<T>(parts: Parts, exchange: Exchange<T>): Promise<T> {
  const { request, answer } = exchange
  return submitOnce(parts, exchange).then(async ({ id, following, pace, release }) => {
    request.body = undefined
    request.releaseBody?.()
    request.pace = pace
    try {
      return await answer(id, following)
    } catch (error) {
      throw following ? error : asErased(error)
    } finally {
      release()
    }
  })
}

/** A generation that an earlier request created and that no longer exists was erased by its owner. */
function asErased(error: unknown): unknown {
  return error instanceof AppError && error.kind === 'unknown_request' ? new AppError('idempotency_erased') : error
}

interface Submitted extends Pick<Asked, 'pace'> {
  /** Of the generation. */
  id: string
  /** Its end. Absent: it was accepted by an earlier request. */
  following?: Following
  /** Lets this process answer the same idempotency key again. */
  release(): void
}

async function submitOnce(parts: Parts, { request, reply, order }: Exchange<unknown>): Promise<Submitted> {
  const claim = await claimFor(parts, { request, reply, order })
  if (claim.id !== undefined) return { id: claim.id, release: claim.release }
  const id = uuidv7()
  const following = parts.core.events.follow(id, ['ended'])
  const release = () => {
    following.stop()
    claim.release()
  }
  try {
    const { fresh, ...accepted } = await submit(parts, { ...order, id }, claim)
    return { ...accepted, ...(fresh && { following }), release }
  } catch (error) {
    release()
    throw error
  }
}

async function submit({ core }: Parts, order: Order & { id: string }, claim: Claim): Promise<Asked> {
  const { content: _, webhookUrl: url, ...request } = order
  let accepted: Asked
  try {
    const webhookUrl = url === undefined ? undefined : checkedWebhookUrl(url)
    accepted = await ask(core, { ...request, webhookUrl, key: claim.key })
  } catch (error) {
    // after any other error the request may have been accepted
    if (error instanceof AppError) await claim.refused()
    throw error
  }
  await claim.accepted(accepted.id)
  return accepted
}

/** Returns the URL as the parser spells it. Names are resolved and checked again at each delivery. Throws AppError bad_option. */
function checkedWebhookUrl(url: string): string {
  try {
    return checkUrl(url, new Set()).href
  } catch (error) {
    if (!(error instanceof NetError)) throw error
    throw new AppError('bad_option', {
      name: 'webhook_url',
      // only the host, because the rest may be secret
      value: canParseUrl(url) ? new URL(url).host : '',
      expected: 'a public https address without port or password',
    })
  }
}

/** The right to submit a request that no other process submits at the same time. */
interface Claim {
  /** Set when the request was accepted before. */
  id?: string
  /** Key of the submission in the core. Absent: the request is not repeated. */
  key?: string
  /** From now on the same request leads to this generation. */
  accepted(id: string): Promise<void>
  refused(): Promise<void>
  release(): void
}

/** Identifies a request. `content`: a hash. */
interface Sent {
  holder: KeyHolder
  content: string
}

function claimFor(parts: Parts, { request, reply, order }: Omit<Exchange<unknown>, 'answer'>): Promise<Claim> {
  const { 'idempotency-key': key, 'x-stainless-retry-count': retries } = request.headers
  const sent = { holder: order.holder, content: hashOf(`${request.routeOptions.url}\n${order.content}`) }
  if (key !== undefined) return claimByKey(parts, sent, String(key))
  return claimByContent(parts, sent, { reply, retries: Number(retries ?? Number.NaN) })
}

/**
 * The key is saved with the generation as soon as that was accepted: when this process dies, a repetition finds it. While this
 * process answers, a repetition is refused.
 */
async function claimByKey(parts: Parts, sent: Sent, key: string): Promise<Claim> {
  const { core, answering } = parts
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) throw new AppError('bad_idempotency_key')
  const name = `${sent.holder.userId} ${key}`
  const content = answering.get(name)
  if (content !== undefined)
    throw new AppError(content === sent.content ? 'idempotency_in_flight' : 'idempotency_reused')
  answering.set(name, sent.content)
  const keyed = { userId: sent.holder.userId, key, bodyHash: sent.content }
  try {
    return {
      ...(await beginOrFind(parts, sent, key)),
      accepted: (id) => finish(core, keyed, { id }, [id]),
      refused: () => forget(core, keyed),
      release: () => answering.delete(name),
    }
  } catch (error) {
    answering.delete(name)
    throw error
  }
}

async function beginOrFind(
  { core }: Parts,
  { holder, content }: Sent,
  key: string,
): Promise<Pick<Claim, 'id' | 'key'>> {
  const keyed = { userId: holder.userId, key, bodyHash: content }
  const before = await begin(core, keyed)
  if (before.state === 'other_body') throw new AppError('idempotency_reused')
  if (before.state === 'done') return { id: idIn(before.response) }
  const submission = `key ${hashOf(key)} ${content} ${before.since}`
  if (before.state === 'fresh') return { key: submission }
  // a process that began it may have died before it saved the generation
  const id = await askedBefore(core, holder, submission)
  if (id === undefined) throw new AppError('idempotency_in_flight')
  await finish(core, keyed, { id }, [id])
  return { id }
}

/**
 * Without an idempotency key: OpenAI's clients count their retries in a header. A hash of the request is saved until the
 * response was sent in full, and a retry is recognized by it. A first attempt is always a new request.
 */
async function claimByContent(
  { core }: Parts,
  { holder, content }: Sent,
  { reply, retries }: { reply: FastifyReply; retries: number },
): Promise<Claim> {
  if (Number.isNaN(retries)) return { accepted: nothing, refused: nothing, release: () => undefined }
  // keys of clients contain no space
  const keyed = { userId: holder.userId, key: `retry ${content}`, bodyHash: content }
  const before = retries > 0 ? await unanswered(core, keyed) : undefined
  const key = before ?? `retry ${randomUUID()}`
  if (before === undefined) await noteUnanswered(core, keyed, key)
  const forgetWhenAnswered = async () => {
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) return
      noteAnswered(core, keyed, key).catch((error: unknown) =>
        core.log.warn({ err: error }, 'could not save that a request was answered; a retry would get the same images'),
      )
    })
  }
  return { key, accepted: forgetWhenAnswered, refused: forgetWhenAnswered, release: () => undefined }
}

const nothing = async () => undefined

const hashOf = (text: string) => createHash('sha256').update(text).digest('base64url')

const idIn = (response: Json) => (response as { id: string }).id

/** `Prefer: respond-async`: the client does not wait for the pictures. RFC 7240. */
export const wantsJob = ({ headers }: FastifyRequest) =>
  /(^|[,\s;])respond-async($|[,\s;])/i.test(String(headers.prefer))
