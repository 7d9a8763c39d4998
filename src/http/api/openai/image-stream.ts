/** Pictures as events: previews while they are drawn, then each picture. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Outcome } from '../../../core/history/outcome.ts'
import type { ImageFile } from '../../../core/ports/images.ts'
import { waitForEnd } from '../../../core/programs/wait.ts'
import { closedSignal } from '../../server/reply-closed.ts'
import { type EventStream, openStream } from '../../server/stream.ts'
import { type Family, problemOf } from '../family.ts'
import { refusals } from './errors.ts'
import { assertDone, looks, pictureIn, seconds, usageOf } from './responses.ts'
import type { GenerationsBody } from './schemas.ts'

/** How the pictures are to be answered. */
export type Wanted = Pick<GenerationsBody, 'response_format' | 'model' | 'partial_images'>

interface Streamed {
  id: string
  holder: KeyHolder
  wanted: Wanted
  events: 'image_generation' | 'image_edit'
}

/** A client that reads slowly misses previews rather than filling memory. */
const mostWaitingBytes = 8 * 1024 * 1024

/** Resolves when the stream has ended. */
export async function streamPictures(
  family: Family,
  request: FastifyRequest,
  reply: FastifyReply,
  { id, holder, wanted, events }: Streamed,
): Promise<FastifyReply> {
  const { core } = family
  const signal = closedSignal(reply)
  const stream = openStream(reply)
  const previews = showPreviews(family, stream, { most: wanted.partial_images ?? 0, event: `${events}.partial_image` })
  try {
    const outcome = await waitForEnd(core, holder.userId, id, { signal, onProgress: previews.show })
    await previews.shown()
    await sendPictures(family, stream, outcome, { event: `${events}.completed`, wanted })
  } catch (error) {
    if (!signal.aborted) stream.send(problemOf(core.log, refusals, request, error).body, 'error')
  } finally {
    stream.end()
  }
  return reply
}

interface Previews {
  show(progress: { preview?: Buffer }): void
  /** Resolves when those that came have been sent. */
  shown(): Promise<void>
}

function showPreviews(
  { core }: Family,
  stream: EventStream,
  { most, event }: { most: number; event: string },
): Previews {
  let index = 0
  let sending: Promise<void> | undefined

  async function send(preview: Buffer): Promise<void> {
    const file = await core.images.keep(preview)
    stream.send({ type: event, ...drawn(file), partial_image_index: index, created_at: seconds(new Date()) }, event)
    index++
  }

  return {
    show: ({ preview }) => {
      if (!preview || sending || index >= most || stream.waiting() > mostWaitingBytes) return
      // untrusted bytes like any other; one that is no picture is left out
      sending = send(preview)
        .catch(() => undefined)
        .finally(() => {
          sending = undefined
        })
    },
    shown: async () => sending,
  }
}

function drawn({ data, type, width, height }: ImageFile): object {
  const format = type.replace('image/', '')
  const size = `${width}x${height}`
  return { b64_json: data.toString('base64'), size, quality: 'auto', background: 'opaque', output_format: format }
}

async function sendPictures(
  { parts }: Family,
  stream: EventStream,
  outcome: Outcome,
  { event, wanted }: { event: string; wanted: Wanted },
): Promise<void> {
  assertDone(outcome)
  // OpenAI's streams know base64 only
  const format = wanted.response_format ?? 'b64_json'
  const revised = outcome.enhanced === null ? {} : { revised_prompt: outcome.enhanced }
  const about = { created_at: seconds(outcome.createdAt), ...revised, usage: usageOf(outcome) }
  for (const picture of outcome.pictures) {
    const shown = await pictureIn(parts, picture, format)
    stream.send({ type: event, ...shown, ...looks(outcome, picture), ...about }, event)
  }
}
