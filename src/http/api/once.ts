/**
 * One request, one generation: however often a client sends it, and wherever its connection breaks. Idempotency keys
 * lead to the generation, not to an answer: whoever asks again gets fresh links, or waits on for the same pictures.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../../core/errors.ts'
import { ask, askedBefore, type ProgramRequest } from '../../core/programs/ask.ts'
import {
  begin,
  finish,
  forget,
  type KeyedRequest,
  noteAnswered,
  noteUnanswered,
  unanswered,
} from '../../core/programs/idempotency.ts'
import type { Json } from '../../db/json.ts'
import type { Family } from './family.ts'
import { receiverOf } from './webhooks/receiver.ts'

export interface Order extends Omit<ProgramRequest, 'key'> {
  /** What was sent, to tell it from others. */
  content: string
}

interface Claim {
  /** Accepted before. */
  id?: string
  /** For `ask`. */
  key?: string
  /** From here on the same request leads to this generation. */
  accepted(id: string): Promise<void>
  refused(): Promise<void>
  end(): void
}

interface Asked {
  claim: Claim
  id: string
  /** Not accepted before. */
  fresh: boolean
}

/**
 * `answer` is called once it is accepted, and again for whoever asks again. What was sent may be large and the waiting long:
 * nothing here holds it from then on, so `answer` should not either.
 */
export function serve<T>(
  family: Family,
  request: FastifyRequest,
  reply: FastifyReply,
  order: Order,
  answer: (id: string) => Promise<T>,
): Promise<T> {
  return askOnce(family, request, reply, order).then(async ({ claim, id, fresh }) => {
    request.body = undefined
    family.releaseBody(request)
    try {
      return await answer(id)
    } catch (error) {
      const erased = error instanceof AppError && error.kind === 'unknown_request' && !fresh
      throw erased ? new AppError('idempotency_erased') : error
    } finally {
      claim.end()
    }
  })
}

async function askOnce(family: Family, request: FastifyRequest, reply: FastifyReply, order: Order): Promise<Asked> {
  const claim = await claimOf(family, request, reply, order)
  try {
    if (claim.id !== undefined) return { claim, id: claim.id, fresh: false }
    return { claim, ...(await accepted(family, claim, order)) }
  } catch (error) {
    claim.end()
    throw error
  }
}

async function accepted(family: Family, claim: Claim, { content: _, ...order }: Order): Promise<Omit<Asked, 'claim'>> {
  let asked: Omit<Asked, 'claim'>
  try {
    const webhookUrl = order.webhookUrl === undefined ? undefined : receiverOf(order.webhookUrl)
    asked = await ask(family.core, { ...order, webhookUrl, key: claim.key })
  } catch (error) {
    // of whatever else broke nobody knows whether it was accepted first
    if (error instanceof AppError) await claim.refused()
    throw error
  }
  await claim.accepted(asked.id)
  return asked
}

function claimOf(family: Family, request: FastifyRequest, reply: FastifyReply, order: Order): Promise<Claim> {
  const key = request.headers['idempotency-key']
  const content = hashOf(`${request.routeOptions.url}\n${order.content}`)
  return key === undefined
    ? claimByContent(family, request, reply, { holder: order.holder, content })
    : claimByKey(family, String(key), { holder: order.holder, content })
}

/** `content`: its hash. */
type Sent = Pick<Order, 'holder' | 'content'>

/**
 * Saved as soon as it is accepted: should this process die, a retry finds it and waits on. While this process answers,
 * the same key is busy.
 */
async function claimByKey(family: Family, key: string, sent: Sent): Promise<Claim> {
  const { core, answering } = family
  const { holder, content } = sent
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) throw new AppError('bad_idempotency_key')
  const name = `${holder.userId} ${key}`
  const others = answering.get(name)
  if (others !== undefined) throw others === content ? inFlight() : otherBody()
  answering.set(name, content)
  const about = { userId: holder.userId, key, bodyHash: content }
  try {
    return {
      ...(await beginOrFind(family, about, sent)),
      accepted: (id) => finish(core, about, { id }, [id]),
      refused: () => forget(core, about),
      end: () => answering.delete(name),
    }
  } catch (error) {
    answering.delete(name)
    throw error
  }
}

/** Of what somebody began who died before saying so, the generation itself tells whether it was accepted. */
async function beginOrFind(
  { core }: Family,
  about: KeyedRequest,
  { holder, content }: Sent,
): Promise<Pick<Claim, 'id' | 'key'>> {
  const before = await begin(core, about)
  if (before.state === 'other_body') throw otherBody()
  if (before.state === 'done') return { id: idIn(before.response) }
  const key = `key ${hashOf(about.key)} ${content} ${before.since}`
  if (before.state === 'fresh') return { key }
  const id = await askedBefore(core, holder, key)
  if (id === undefined) throw inFlight()
  await finish(core, about, { id }, [id])
  return { id }
}

/**
 * Without a key: OpenAI's clients say which of their requests are retries. What was not answered in full is kept by what they
 * sent, with a key of ours, and the retry asks with the same; a first request is always a new one.
 */
async function claimByContent(
  { core }: Family,
  { headers }: FastifyRequest,
  reply: FastifyReply,
  { holder, content }: Sent,
): Promise<Claim> {
  const tries = Number(headers['x-stainless-retry-count'] ?? Number.NaN)
  if (Number.isNaN(tries)) return { accepted: noMatter, refused: noMatter, end: () => undefined }
  // no sender's key has a space in it
  const about = { userId: holder.userId, key: `retry ${content}`, bodyHash: content }
  const before = tries > 0 ? await unanswered(core, about) : undefined
  const key = before ?? `retry ${randomUUID()}`
  if (before === undefined) await noteUnanswered(core, about, key)
  const forgetWhenAnswered = async () => {
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) return
      noteAnswered(core, about, key).catch((error: unknown) =>
        core.log.warn({ err: error }, 'that a request was answered was not noted; its repetition would have it'),
      )
    })
  }
  return { key, accepted: forgetWhenAnswered, refused: forgetWhenAnswered, end: () => undefined }
}

const noMatter = async () => undefined

const hashOf = (text: string) => createHash('sha256').update(text).digest('base64url')

const idIn = (response: Json) => (response as { id: string }).id

const otherBody = () => new AppError('idempotency_reused')

const inFlight = () => new AppError('idempotency_in_flight')

/** Nobody waits for it: RFC 7240. */
export const wantsJob = ({ headers }: FastifyRequest) =>
  /(^|[,\s;])respond-async($|[,\s;])/i.test(String(headers.prefer))
