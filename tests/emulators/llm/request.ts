/** The schema of a completion request. */
import { z } from 'zod'

const text = z.union([
  z.string(),
  z
    .array(z.strictObject({ type: z.literal('text'), text: z.string() }))
    .transform((parts) => parts.map((part) => part.text).join('')),
])

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
