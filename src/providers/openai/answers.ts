/**
 * Pictures in answers. The images API has them in `data`, as base64 or addresses; chat completions in `message.images`, or as
 * data URLs or addresses in the text. Relays fill in fields that they do not use with empty texts.
 */
import { z } from 'zod'
import type { ResultPlace } from '../../core/ports/models.ts'
import type { Json } from '../../db/json.ts'
import { textsAt, valuesAt } from '../places.ts'
import { type Fault, faultShape } from './errors.ts'
import type { OpenAiCall } from './requests.ts'

export interface Answer {
  /** Addresses, data URLs, or base64. */
  pictures: readonly string[]
  /** The service says that it left the pictures out for their content. */
  refused: boolean
  /** What it wrote in place of pictures. Absent: nothing. */
  words?: string
  usage?: Json
  /** An error although the status says that all is well. */
  fault?: Fault
}

export function answerIn(json: Json, call: OpenAiCall, place?: ResultPlace): Answer {
  const rest = { usage: valuesAt(json, 'usage')[0], fault: faultAt(json) }
  const placed = place?.pictures === undefined ? undefined : textsAt(json, place.pictures)
  if (call === 'chat') {
    const text = textsAt(json, 'choices[].message.content')
      .concat(textsAt(json, 'choices[].message.content[].text'))
      .join('\n')
    const pictures = placed ?? picturesInMessage(json, text)
    const refused =
      valuesAt(json, 'choices[].finish_reason').includes('content_filter') ||
      textsAt(json, 'choices[].message.refusal').length > 0
    return { ...rest, pictures, refused: pictures.length === 0 && refused, ...(text.trim() !== '' && { words: text }) }
  }
  const data = valuesAt(json, 'data')[0]
  const pictures = placed ?? (Array.isArray(data) ? data.flatMap(pictureOf) : [])
  // a list without items is how some services answer a prompt that they refuse
  return { ...rest, pictures, refused: Array.isArray(data) && data.length === 0 && pictures.length === 0 }
}

function faultAt(json: Json): Fault | undefined {
  const [error] = valuesAt(json, 'error')
  return error === undefined || error === null ? undefined : faultShape.safeParse(error).data
}

function pictureOf(item: Json): string[] {
  return [...textsAt(item, 'b64_json'), ...textsAt(item, 'url')].slice(0, 1)
}

const dataUrl = /data:image\/[\w.+-]{1,20};base64,[A-Za-z0-9+/=]*/g
const markdownImage = /!\[[^\]\n]{0,200}\]\((https?:\/\/[^\s)]{1,2000})\)/g
const pictureAddress = /https?:\/\/[^\s)\]"'<>]{1,2000}?\.(?:png|jpe?g|webp)(?:\?[^\s)\]"'<>]{0,2000})?/gi

function picturesInMessage(json: Json, text: string): string[] {
  const fields = [
    'choices[].message.images[].image_url.url',
    'choices[].message.images[].image_url',
    'choices[].message.content[].image_url.url',
  ]
  const found = [
    () => fields.flatMap((field) => textsAt(json, field)),
    () => text.match(dataUrl) ?? [],
    () => [...text.matchAll(markdownImage)].map(([, url = '']) => url),
    () => text.match(pictureAddress) ?? [],
  ]
  for (const find of found) {
    const pictures = [...new Set(find())]
    if (pictures.length > 0) return pictures
  }
  return []
}

const eventShape = z.looseObject({
  type: z.string().catch(''),
  b64_json: z.string().nullish(),
  url: z.string().nullish(),
  error: faultShape.nullish().catch(undefined),
})

export interface StreamedAnswer {
  /** Whether there was any event. */
  readonly began: boolean
  read(data: string): void
  answer(): Answer
}

/** Collects the events of a stream. `show` gets each preview. */
export function streamedAnswer(show?: (preview: Buffer) => void): StreamedAnswer {
  const pictures: string[] = []
  let usage: Json | undefined
  let fault: Fault | undefined
  let began = false
  return {
    get began() {
      return began
    },
    read(data) {
      began = true
      const json = parse(data)
      const event = eventShape.safeParse(json).data
      if (json === undefined || !event) return
      const picture = event.b64_json || event.url
      if (event.type.endsWith('.partial_image') && event.b64_json) show?.(Buffer.from(event.b64_json, 'base64'))
      if (event.type.endsWith('.completed')) {
        if (picture) pictures.push(picture)
        usage = valuesAt(json, 'usage')[0] ?? usage
      }
      fault = event.error ?? fault
    },
    answer: () => ({ pictures, refused: false, usage, fault }),
  }
}

function parse(data: string): Json | undefined {
  try {
    return JSON.parse(data) as Json
  } catch {
    // '[DONE]'
    return undefined
  }
}
