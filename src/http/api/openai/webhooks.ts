/** `GET /v1/webhooks/secret`: the secret with which receivers verify webhooks. */

import { z } from 'zod'
import type { Outcome } from '../../../core/history/outcome.ts'
import type { ApiApp, Family } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { webhookSecret } from '../webhooks/signature.ts'
import { jobOf } from './jobs.ts'
import { errorResponses, tags } from './response-schemas.ts'

const secretResponse = z
  .object({
    object: z.literal('webhook.secret'),
    secret: z.string().describe("'whsec_…', as Standard Webhooks libraries take it. Each API key has its own."),
  })
  .meta({ id: 'WebhookSecret' })

const description = `A request with a \`webhook_url\` causes one webhook when it ends: a POST of
\`{"type": "image.job.succeeded", "timestamp": "…", "data": {…}}\`, or of the type \`image.job.failed\` or \`image.job.cancelled\`.
\`data\` is the job that \`GET /v1/images/jobs/{id}\` returns. The webhook is signed with this secret as Standard Webhooks
specifies (\`webhook-id\`, \`webhook-timestamp\`, \`webhook-signature\`). It may arrive more than once, with the same \`webhook-id\`.

A receiver accepts a webhook with any 2xx status within 10 seconds. Status 410 ends delivery. After any other response, or
none, delivery is retried: nine attempts in all within a day. Redirects are not followed, and only public https addresses
are allowed.`

const schema = {
  summary: 'Returns the secret that signs the webhooks of this key.',
  description,
  operationId: 'retrieveWebhookSecret',
  tags,
  response: { 200: secretResponse, ...errorResponses },
}

export function webhookRoutes(app: ApiApp, { core, authenticate }: Family): void {
  app.get('/webhooks/secret', { schema }, async (request) => {
    const holder = await authenticate(request)
    return { object: 'webhook.secret' as const, secret: webhookSecret(core.secretKey, holder) }
  })
}

/** Body of a webhook: the job of a request that has ended. Links in it are fresh. */
export async function webhookEvent(parts: ApiParts, outcome: Outcome): Promise<object> {
  const data = await jobOf(parts, outcome, 'url')
  return { type: `image.job.${data.state}`, timestamp: (outcome.endedAt ?? outcome.createdAt).toISOString(), data }
}
