/** `/api/status`, which requires a key, and `/health`, which does not. */
import { z } from 'zod'
import { readAccount } from '../../../core/accounts/accounts.ts'
import type { Core } from '../../../core/core.ts'
import { countIn } from '../../../core/history/backlog.ts'
import { modelFor } from '../../../core/programs/ask.ts'
import { listed } from '../../../core/request/choose-model.ts'
import { version } from '../../server/http.ts'
import { inTime } from '../../server/readiness.ts'
import type { ApiApp, Family } from '../family.ts'
import { errorResponses, tags } from './schemas.ts'

const statusResponse = z
  .object({
    success: z.literal(true),
    status: z.enum(['ok', 'degraded']),
    version: z.string(),
    uptime: z.int().describe('Seconds since the process started.'),
    queue: z
      .record(z.string(), z.int().nullable())
      .describe('Provider → waiting requests. null: unknown at the moment.'),
    queue_state: z.string().describe("'ready', or what is missing."),
    database: z.string().describe("'ready', or what is missing."),
    models: z.int().describe('Number of models that this key may use.'),
    default_model: z.string(),
    credits: z.int(),
  })
  .meta({ id: 'WebUiStatus' })

const healthy = z.object({ status: z.literal('ok') })
const unhealthy = z.object({ status: z.literal('error') })

const status = {
  summary: 'Returns the state of the service and the credits of the account.',
  operationId: 'webuiStatus',
  tags,
  response: { 200: statusResponse, ...errorResponses },
}

const health = {
  summary: 'Checks that the service and its database respond. Requires no key.',
  operationId: 'health',
  tags,
  response: { 200: healthy, 503: unhealthy },
}

export function statusRoutes(app: ApiApp, { core, parts, authenticate }: Family): void {
  app.get('/api/status', { schema: status }, async (request) => {
    const holder = await authenticate(request)
    const { all } = core.models
    const models = listed(all()).filter(({ id }) => holder.models?.includes(id) ?? true)
    const { balance } = await readAccount(core, holder.userId)
    const missing = { database: core.database.notReady(), queue: core.queue.notReady() }
    return {
      success: true as const,
      status: missing.database === undefined && missing.queue === undefined ? ('ok' as const) : ('degraded' as const),
      version,
      uptime: Math.floor(process.uptime()),
      queue: await waitingIn(core),
      queue_state: missing.queue ?? 'ready',
      database: missing.database ?? 'ready',
      models: models.length,
      default_model: modelFor(core, holder, undefined),
      credits: balance,
    }
  })
  app.get('/health', { config: { open: true }, schema: health }, async (_request, reply) =>
    (await parts.databaseAnswers()) ? { status: 'ok' as const } : reply.code(503).send({ status: 'error' }),
  )
}

/** Counts rows instead of jobs of the queue, so that requests waiting for a retry are included. */
async function waitingIn(core: Core): Promise<Record<string, number | null>> {
  const lanes = core.providers.all().map(({ provider }) => provider.name)
  const counts = lanes.map(async (lane) => [lane, (await inTime(countIn(core, lane)))?.pending ?? null] as const)
  return Object.fromEntries(await Promise.all(counts))
}
