/** The schema of a completion request. */
import { z } from 'zod'

const text = z.union([
  z.string(),
  z
    .array(
      z.discriminatedUnion('type', [
        z.strictObject({ type: z.literal('text'), text: z.string() }),
        z.strictObject({
          type: z.literal('image_url'),
          image_url: z.strictObject({
            url: z.string().regex(/^data:image\/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+=*$/, 'must be a data URL'),
            detail: z.enum(['low', 'high', 'auto']).optional(),
          }),
        }),
      ]),
    )
    .transform((parts) => parts.map((part) => (part.type === 'text' ? part.text : '')).join('')),
])

/** The pictures of a request that was parsed, in order. */
export function picturesIn(body: Buffer): Buffer[] {
  return [...body.toString('utf8').matchAll(/"url":"data:image\/\w+;base64,([^"]+)"/g)].map(([, base64 = '']) =>
    Buffer.from(base64, 'base64'),
  )
}

const requestShape = z.strictObject({
  model: z.string(),
  messages: z
    .array(z.strictObject({ role: z.enum(['system', 'developer', 'user', 'assistant']), content: text }))
    .min(1),
  temperature: z.number().min(0).max(2).optional(),
  max_tokens: z.int().positive().optional(),
  max_completion_tokens: z.int().positive().optional(),
  stream: z.boolean().optional(),
  stream_options: z.strictObject({ include_usage: z.boolean() }).optional(),
  n: z.literal(1).optional(),
})

export type CompletionRequest = z.infer<typeof requestShape>

/** Returns the request, or an error message. */
export function parseRequest(body: Buffer): CompletionRequest | string {
  try {
    const { data, error } = requestShape.safeParse(JSON.parse(body.toString('utf8')))
    return (
      data ?? `Invalid request: ${error?.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ')}`
    )
  } catch {
    return 'We could not parse the JSON body of your request.'
  }
}
