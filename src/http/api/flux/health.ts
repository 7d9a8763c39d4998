/** `GET /api/v1/flux/health`: a health check that needs no key. */

import { version } from '../../server/http.ts'
import type { ApiApp, Family } from '../family.ts'
import { healthy, unhealthy } from './response-schemas.ts'
import { tags } from './schemas.ts'

const schema = {
  summary: 'Checks that the service and its database respond. Requires no key.',
  operationId: 'fluxHealth',
  tags,
  response: { 200: healthy, 503: unhealthy.describe('The database does not respond.') },
}

export function healthRoutes(app: ApiApp, { parts }: Family): void {
  app.get('/flux/health', { config: { open: true }, schema }, async (_request, reply) =>
    (await parts.databaseAnswers())
      ? { status: 'ok' as const, service: 'fluxbot' as const, version }
      : reply.code(503).send({ status: 'error', service: 'fluxbot' }),
  )
}
