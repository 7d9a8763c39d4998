/** `GET /queue`: unfinished requests of the account, and the length of the queue that `/generate` uses. */
import { type KeyHolder, ownerOf } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import { countIn, queuedRequests, runningRequests } from '../../../core/history/backlog.ts'
import type { ApiApp, Family } from '../family.ts'
import { defaultModel } from './params.ts'
import { errorResponses, queueResponse } from './response-schemas.ts'
import { tags } from './schemas.ts'

const maxItems = 100

const schema = {
  summary: 'Lists the unfinished requests of the account.',
  description: 'Administrators see the requests of all accounts.',
  operationId: 'comfyQueue',
  tags,
  response: { 200: queueResponse, ...errorResponses },
}

export function queueRoutes(app: ApiApp, { core, authenticate }: Family): void {
  app.get('/queue', { schema }, async (request) => {
    const holder = await authenticate(request)
    const owner = ownerOf(holder)
    const [running, queued, counts] = await Promise.all([
      runningRequests(core, owner, maxItems),
      queuedRequests(core, owner, maxItems),
      countIn(core, laneOf(core, holder)),
    ])
    return {
      queue_running: running.map(({ percent, startedAt, ...row }) => ({
        ...commonFields(row),
        percent,
        started_at: startedAt?.toISOString() ?? null,
      })),
      queue_pending: queued.map(({ position, ...row }) => ({ ...commonFields(row), position })),
      ...counts,
    }
  })
}

/** The lane of requests without a `model`. */
export function laneOf(core: Core, holder: KeyHolder): string {
  const id = defaultModel(core, holder)
  const routes = core.models.all().find((model) => model.id === id)?.routes ?? []
  const route = routes.find(({ provider }) => core.providers.get(provider) !== undefined) ?? routes[0]
  return route?.provider ?? ''
}

const commonFields = ({ id, model, createdAt }: { id: string; model: string; createdAt: Date }) => ({
  task_id: id,
  model,
  created_at: createdAt.toISOString(),
})
