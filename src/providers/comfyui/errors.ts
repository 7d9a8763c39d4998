/** Errors of a server that refuses a graph. The reason names node and input, for the author of the graph. */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import { type ProviderResponse, statusError } from '../http.ts'
import { readableReason } from '../reason.ts'

const validationErrorShape = z.looseObject({
  type: z.string().default(''),
  message: z.string().default(''),
  details: z.string().nullish(),
  extra_info: z.looseObject({ input_name: z.string().nullish() }).nullish(),
})

const nodeErrorsByIdShape = z.record(
  z.string(),
  z.looseObject({
    errors: z.array(validationErrorShape).default([]),
    class_type: z.string().default('?'),
    dependent_outputs: z.array(z.string()).default([]),
  }),
)

export type NodeErrors = z.infer<typeof nodeErrorsByIdShape>

/** Errors by node id. Some servers send an empty list instead of an empty object. */
export const nodeErrorsShape = z.union([nodeErrorsByIdShape, z.array(z.unknown()).transform((): NodeErrors => ({}))])

const refusalShape = z.looseObject({
  error: z.union([validationErrorShape, z.string().transform((message) => validationErrorShape.parse({ message }))]),
  node_errors: nodeErrorsShape.catch({}).default({}),
})

/** The error for a response to POST /prompt whose status is not 200. */
export function submitError(response: ProviderResponse): AppError {
  const envelope = response.status < 500 ? refusalShape.safeParse(jsonOf(response)).data : undefined
  if (envelope && response.status === 400) {
    const reason = describeNodeErrors(envelope.node_errors) ?? describeError(envelope.error)
    return new AppError('provider_refused', { provider: 'comfyui', reason }, { neverRan: true })
  }
  // the error page of a proxy does not prove that the server refused, unless the proxy did not pass the request on
  const stoppedByProxy = [401, 403, 413, 429].includes(response.status)
  return statusError('comfyui', response, { neverRan: stoppedByProxy || envelope !== undefined })
}

/** The error for a graph that this server cannot run, found before it was submitted. */
export function refused(reason: string): AppError {
  return new AppError('provider_refused', { provider: 'comfyui', reason: reason.slice(0, 300) }, { neverRan: true })
}

/** For example "node 12 (UNETLoader), unet_name: 'x' not in list". undefined: there are no node errors. */
export function describeNodeErrors(errors: NodeErrors): string | undefined {
  const sentences = Object.entries(errors).flatMap(([node, { class_type: name, errors }]) =>
    errors.map((error) => {
      const input = error.extra_info?.input_name
      return `node ${node} (${name})${input ? `, ${input}` : ''}: ${describeInputError(error, input)}`
    }),
  )
  return readableReason(sentences.join('; '))
}

type ValidationError = z.infer<typeof validationErrorShape>

function describeInputError({ type, message, details }: ValidationError, input: string | null | undefined): string {
  const detail = (details ?? '').replace(input ? new RegExp(`^${escapeRegExp(input)}(: | - |, )?`) : /^$/, '')
  // drop the list of valid values, which can be very long
  if (type === 'value_not_in_list') return detail.replace(/ not in [[(].*$/s, ' not in list')
  return detail && detail !== message ? `${message} (${detail})` : message
}

function describeError({ message, details }: ValidationError): string | undefined {
  return readableReason(details && details !== message ? `${message} (${details})` : message)
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function jsonOf({ body }: ProviderResponse): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
