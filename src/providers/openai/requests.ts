/** The requests of the images API and of chat completions: a JSON body, or a form where files are sent. */
import { FormData } from 'undici'
import type { Submission, Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { toJson, withImageUrls } from '../input.ts'

/** The part of a route's endpoint before its first '/': 'generations/gpt-image-2'. The rest is the name of the model. */
export type OpenAiCall = 'generations' | 'edits' | 'chat'

const paths: Readonly<Record<OpenAiCall, string>> = {
  generations: '/images/generations',
  edits: '/images/edits',
  chat: '/chat/completions',
}

export interface OpenAiRequest {
  call: OpenAiCall
  path: string
  headers: Readonly<Record<string, string>>
  body: string | FormData
}

export function requestFor(task: Task): OpenAiRequest {
  const call = callOf(task)
  if (call === 'edits') return { call, path: paths.edits, headers: {}, body: formOf(task) }
  const headers = { 'content-type': 'application/json' }
  return { call, path: paths[call], headers, body: toJson(withImageUrls(task)) }
}

/** Short stand-ins take the place of pictures. */
export function submissionFor(task: Task, baseUrl: string): Submission {
  const call = callOf(task)
  const url = `${baseUrl}${paths[call]}`
  const authorization = 'Bearer …'
  if (call === 'edits') {
    const body = fieldsOf(task).map(
      ([name, value]) => [name, typeof value === 'string' ? value : described(value)] as const,
    )
    return { method: 'POST', url, headers: { authorization, 'content-type': 'multipart/form-data' }, body }
  }
  return {
    method: 'POST',
    url,
    headers: { authorization, 'content-type': 'application/json' },
    body: withImageUrls(task),
  }
}

const described = ({ name, file }: FormFile) => `<${name}, ${file.type}, ${file.data.length} bytes>`

function callOf({ endpoint }: Task): OpenAiCall {
  const call = endpoint.slice(0, endpoint.indexOf('/'))
  if (call in paths) return call as OpenAiCall
  throw new Error(`"${endpoint}" begins with no call of the provider openai`)
}

interface FormFile {
  name: string
  file: Task['images'][number]
}

function formOf(task: Task): FormData {
  const form = new FormData()
  for (const [name, value] of fieldsOf(task)) {
    if (typeof value === 'string') form.append(name, value)
    else form.append(name, new Blob([new Uint8Array(value.file.data)], { type: value.file.type }), value.name)
  }
  return form
}

/** A list becomes a field for each item, as 'image[]' of the images API expects. */
function fieldsOf({ input, images }: Task): [name: string, value: string | FormFile][] {
  return Object.entries(input as { [name: string]: Json }).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((item): [string, string | FormFile] => {
      const at = imageIndex(item)
      const file = images[at]
      if (file) return [name, { name: `image-${at + 1}.${file.type.split('/')[1] ?? 'png'}`, file }]
      return [name, typeof item === 'string' ? item : toJson(item)]
    }),
  )
}

/** NaN: the value is no input picture. */
function imageIndex(value: Json): number {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? Number(value.$image) : Number.NaN
}
