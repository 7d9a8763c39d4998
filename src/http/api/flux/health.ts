/** `GET /api/v1/flux/health`: whether the service can work, without a key and without anything else. */

import { version } from '../../server/http.ts'
import type { ApiApp, Family } from '../family.ts'
import { healthy, unhealthy } from './response-schemas.ts'
import { tags } from './schemas.ts'

const schema = {
  summary: 'Whether the service can work. Needs no key.',
  operationId: 'fluxHealth',
  tags,
  response: { 200: healthy, 503: unhealthy.describe('The database does not answer.') },
}

export function healthRoutes(app: ApiApp, { parts }: Family): void {
  app.get('/flux/health', { config: { open: true }, schema }, async (_request, reply) =>
    (await parts.databaseAnswers())
      ? { status: 'ok' as const, service: 'fluxbot' as const, version }
      : reply.code(503).send({ status: 'error', service: 'fluxbot' }),
  )
}
