/** `POST /discord/interactions`: Discord sends interactions here in place of the gateway, if the application has this address. */
import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { type APIInteraction, InteractionResponseType, InteractionType } from 'discord-api-types/v10'
import type { FastifyPluginAsync } from 'fastify'
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { FirstAnswer } from './rest/open-requests.ts'

interface RouteOptions {
  /** DISCORD_PUBLIC_KEY: 64 hexadecimal digits. */
  publicKey: string
  /** undefined: answered by the callback route. */
  receive(interaction: APIInteraction): Promise<FirstAnswer | undefined>
}

export const interactionsPath = '/discord/interactions'

/** An interaction of Discord has a few kilobytes; a modal may hold five texts of 4,000 characters and the message it belongs to. */
const bodyLimit = 1024 * 1024
/** Clocks differ, and requests may wait on their way. */
const maxAgeSeconds = 5 * 60
/** Makes an Ed25519 key of 32 bytes a public key in the form that node:crypto reads. */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')

/** Discord has signed it; this only tells other JSON from an interaction. */
const interactionBody = z.looseObject({ type: z.int(), id: z.string().regex(/^\d{1,20}$/), token: z.string() })

export function interactionsRoute({ publicKey, receive }: RouteOptions): FastifyPluginAsync {
  const key = createPublicKey({
    key: Buffer.concat([spkiPrefix, Buffer.from(publicKey, 'hex')]),
    format: 'der',
    type: 'spki',
  })
  return async (app) => {
    // the signature covers the raw bytes
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit }, (_request, body, done) => done(null, body))
    app.post(interactionsPath, { bodyLimit }, async (request, reply) => {
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      // Discord tries wrong signatures now and then, and removes an address that accepts one
      if (!isGenuine(key, request.headers, body)) throw new AppError('forged')
      const interaction = interactionIn(body)
      if (!interaction) return reply.code(400).send({ error: { kind: 'bad_request' } })
      if (interaction.type === InteractionType.Ping) return { type: InteractionResponseType.Pong }
      const first = await receive(interaction)
      if (!first) return reply.code(202).send()
      reply.raw.once('close', () => first.ended(reply.raw.writableFinished))
      return reply.send(first.body)
    })
  }
}

/** The time is part of what is signed, so that a message that was recorded cannot be sent again later. */
function isGenuine(key: KeyObject, headers: IncomingHttpHeaders, body: Buffer): boolean {
  const { 'x-signature-ed25519': signature = '', 'x-signature-timestamp': timestamp = '' } = headers
  if (typeof signature !== 'string' || !/^[0-9a-f]{128}$/i.test(signature)) return false
  if (typeof timestamp !== 'string' || !/^\d{1,12}$/.test(timestamp)) return false
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > maxAgeSeconds) return false
  return verify(null, Buffer.concat([Buffer.from(timestamp), body]), key, Buffer.from(signature, 'hex'))
}

function interactionIn(body: Buffer): APIInteraction | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString())
    return interactionBody.safeParse(parsed).success ? (parsed as APIInteraction) : undefined
  } catch {
    return undefined
  }
}
