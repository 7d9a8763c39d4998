/** Sends images as server-sent events: previews while they are being drawn, then each image. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Outcome } from '../../../core/history/outcome.ts'
import type { ImageFile } from '../../../core/ports/images.ts'
import { waitForEnd } from '../../../core/programs/wait.ts'
import { closedSignal } from '../../server/reply-closed.ts'
import { type EventStream, openStream } from '../../server/stream.ts'
import { errorAnswer, type Family } from '../family.ts'
import { errorFormat } from './errors.ts'
import { assertSucceeded, pictureIn, propertiesOf, seconds, usageOf } from './responses.ts'
import type { GenerationsBody } from './schemas.ts'

export type ImageResponseOptions = Pick<GenerationsBody, 'response_format' | 'model' | 'partial_images'>

interface StreamedRequest {
  id: string
  holder: KeyHolder
  options: ImageResponseOptions
  events: 'image_generation' | 'image_edit'
}

/** Previews are dropped while a slow client has this much unread, so that they do not fill memory. */
const maxUnreadBytes = 8 * 1024 * 1024

/** Resolves when the stream has ended. */
export async function streamImages(
  family: Family,
  request: FastifyRequest,
  reply: FastifyReply,
  { id, holder, options, events }: StreamedRequest,
): Promise<FastifyReply> {
  const { core } = family
  const signal = closedSignal(reply)
  const stream = openStream(reply)
  const event = `${events}.partial_image`
  const previews = createPreviews(family, stream, {
    max: options.partial_images ?? 0,
    send: (file, index) => {
      const { data, ...properties } = previewOf(file)
      const fields = { b64_json: data, ...properties, partial_image_index: index, created_at: seconds(new Date()) }
      stream.send({ type: event, ...fields }, event)
    },
  })
  try {
    const outcome = await waitForEnd(core, holder.userId, id, { signal, onProgress: previews.show })
    await previews.sent()
    await sendPictures(family, stream, outcome, { event: `${events}.completed`, options })
  } catch (error) {
    if (!signal.aborted) stream.send(errorAnswer(core, { format: errorFormat, error, request }).body, 'error')
  } finally {
    stream.end()
  }
  return reply
}

export interface Previews {
  show(progress: { preview?: Buffer }): void
  /** Resolves once the preview being sent, if any, has been sent. */
  sent(): Promise<void>
}

interface PreviewOptions {
  /** Previews sent at most. */
  max: number
  /** `index`: from 0. */
  send(file: ImageFile, index: number): void
}

export function createPreviews({ core }: Family, stream: EventStream, options: PreviewOptions): Previews {
  const { max } = options
  let index = 0
  let sending: Promise<void> | undefined

  async function send(preview: Buffer): Promise<void> {
    options.send(await core.images.keep(preview), index)
    index++
  }

  return {
    show: ({ preview }) => {
      if (!preview || sending || index >= max || stream.waiting() > maxUnreadBytes) return
      // providers may send bytes that are not an image: skip them
      sending = send(preview)
        .catch(() => undefined)
        .finally(() => {
          sending = undefined
        })
    },
    sent: async () => sending,
  }
}

/** `data`: in base64. */
export function previewOf({ data, type, width, height }: ImageFile) {
  const format = type.replace('image/', '')
  const properties = { size: `${width}x${height}`, quality: 'auto', background: 'opaque', output_format: format }
  return { data: data.toString('base64'), ...properties }
}

async function sendPictures(
  { parts }: Family,
  stream: EventStream,
  outcome: Outcome,
  { event, options }: { event: string; options: ImageResponseOptions },
): Promise<void> {
  assertSucceeded(outcome)
  // OpenAI's streams have base64 only
  const format = options.response_format ?? 'b64_json'
  const revised = outcome.enhanced === null ? {} : { revised_prompt: outcome.enhanced }
  const common = { created_at: seconds(outcome.createdAt), ...revised, usage: usageOf(outcome) }
  for (const picture of outcome.pictures) {
    const fields = await pictureIn(parts, picture, format)
    stream.send({ type: event, ...fields, ...propertiesOf(outcome, picture), ...common }, event)
  }
}
