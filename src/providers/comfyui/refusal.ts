/** Why a server did not take a graph, by node and input, in words for the person who made the graph. */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import { type ProviderResponse, statusError } from '../http.ts'
import { readableReason } from '../reason.ts'

const mistake = z.looseObject({
  type: z.string().default(''),
  message: z.string().default(''),
  details: z.string().nullish(),
  extra_info: z.looseObject({ input_name: z.string().nullish() }).nullish(),
})

const nodeErrorsShape = z.record(
  z.string(),
  z.looseObject({
    errors: z.array(mistake).default([]),
    class_type: z.string().default('?'),
    dependent_outputs: z.array(z.string()).default([]),
  }),
)

export type NodeErrors = z.infer<typeof nodeErrorsShape>

/** Some servers send an empty list in place of an empty object. */
export const nodeErrors = z.union([nodeErrorsShape, z.array(z.unknown()).transform((): NodeErrors => ({}))])

const refusalShape = z.looseObject({
  error: z.union([mistake, z.string().transform((message) => mistake.parse({ message }))]),
  node_errors: nodeErrors.catch({}).default({}),
})

/** An answer to POST /prompt that is not 200. */
export function refusalOf(answer: ProviderResponse): AppError {
  const envelope = answer.status < 500 ? refusalShape.safeParse(jsonOf(answer)).data : undefined
  if (envelope && answer.status === 400) {
    const reason = mistakesIn(envelope.node_errors) ?? wordsOf(envelope.error)
    return new AppError('provider_refused', { provider: 'comfyui', reason }, { neverRan: true })
  }
  // a proxy's page says nothing about what the server behind it did, unless the proxy kept the request to itself
  const keptBack = [401, 403, 413, 429].includes(answer.status)
  return statusError('comfyui', answer, { neverRan: keptBack || envelope !== undefined })
}

/** 'node 12 (UNETLoader), unet_name: 'x' not in list'. undefined: no node is at fault. */
export function mistakesIn(errors: NodeErrors): string | undefined {
  const sentences = Object.entries(errors).flatMap(([node, { class_type: name, errors }]) =>
    errors.map((error) => {
      const input = error.extra_info?.input_name
      return `node ${node} (${name})${input ? `, ${input}` : ''}: ${wordsAbout(error, input)}`
    }),
  )
  return readableReason(sentences.join('; '))
}

function wordsAbout({ type, message, details }: z.infer<typeof mistake>, input: string | null | undefined): string {
  const about = (details ?? '').replace(input ? new RegExp(`^${escaped(input)}(: | - |, )?`) : /^$/, '')
  // the list of everything that would be right is longer than anybody reads
  if (type === 'value_not_in_list') return about.replace(/ not in [[(].*$/s, ' not in list')
  return about && about !== message ? `${message} (${about})` : message
}

function wordsOf({ message, details }: z.infer<typeof mistake>): string | undefined {
  return readableReason(details && details !== message ? `${message} (${details})` : message)
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function jsonOf({ body }: ProviderResponse): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
