/** `GET /v1/webhooks/secret`: how a program knows that we are the ones who tell it. */

import { z } from 'zod'
import type { Outcome } from '../../../core/history/outcome.ts'
import type { ApiApp, Family } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { webhookSecret } from '../webhooks/signature.ts'
import { jobOf } from './jobs.ts'
import { refused, tags } from './response-schemas.ts'

const secretAnswer = z
  .object({
    object: z.literal('webhook.secret'),
    secret: z.string().describe("'whsec_…', as libraries for Standard Webhooks take it. This key's own."),
  })
  .meta({ id: 'WebhookSecret' })

const description = `Whoever is named as \`webhook_url\` in a request is told once it is over: a POST of
\`{"type": "image.job.succeeded", "timestamp": "…", "data": {…}}\`, or \`image.job.failed\`, \`image.job.cancelled\`; \`data\` is the
job as \`GET /v1/images/jobs/{id}\` has it. It is signed with this secret by the Standard Webhooks specification
(\`webhook-id\`, \`webhook-timestamp\`, \`webhook-signature\`); the id stays the same when the same is told again.

Any 2xx within 10 seconds takes it, 410 refuses it for good; after everything else it is told again, nine times in all within
a day. Redirects are not followed, and only public https addresses are told.`

const telling = {
  summary: 'The secret that webhooks of this key are signed with.',
  description,
  operationId: 'retrieveWebhookSecret',
  tags,
  response: { 200: secretAnswer, ...refused },
}

export function webhookRoutes(app: ApiApp, { core, authenticate }: Family): void {
  app.get('/webhooks/secret', { schema: telling }, async (request) => {
    const holder = await authenticate(request)
    return { object: 'webhook.secret' as const, secret: webhookSecret(core.secretKey, holder) }
  })
}

/** Body of a webhook: the job of a request that has ended. Links in it are fresh. */
export async function webhookEvent(parts: ApiParts, outcome: Outcome): Promise<object> {
  const data = await jobOf(parts, outcome, 'url')
  return { type: `image.job.${data.state}`, timestamp: (outcome.endedAt ?? outcome.createdAt).toISOString(), data }
}
