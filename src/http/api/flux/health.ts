/** `GET /api/v1/flux/health`: whether the service can work, without a key and without anything else. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Core } from '../../../core/core.ts'
import { version } from '../../version.ts'
import type { ApiApp, Family } from '../family.ts'
import { healthy, unhealthy } from './answer-schemas.ts'
import { tags } from './schemas.ts'

const schema = {
  summary: 'Whether the service can work. Needs no key.',
  operationId: 'fluxHealth',
  tags,
  response: { 200: healthy, 503: unhealthy.describe('The database does not answer.') },
}

const patienceMs = 2_000

export function healthRoutes(app: ApiApp, { core }: Family): void {
  const answers = createCheck(core)
  app.get('/flux/health', { config: { open: true }, schema }, async (_request, reply) =>
    (await answers())
      ? { status: 'ok' as const, service: 'fluxbot' as const, version }
      : reply.code(503).send({ status: 'error', service: 'fluxbot' }),
  )
}

/** One question at a time, however many ask. */
function createCheck({ database }: Core): () => Promise<boolean> {
  let asked: Promise<boolean> | undefined
  return () => {
    asked ??= answersInTime(database).finally(() => {
      asked = undefined
    })
    return asked
  }
}

async function answersInTime(database: Core['database']): Promise<boolean> {
  const over = new AbortController()
  const ping = database.ping().then(
    () => true,
    () => false,
  )
  const late = sleep(patienceMs, false, { signal: over.signal }).catch(() => false)
  try {
    return await Promise.race([ping, late])
  } finally {
    over.abort()
  }
}
