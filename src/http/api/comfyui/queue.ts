/** `GET /queue`: what the account waits for, and how busy it is where `/generate` draws. */
import { type KeyHolder, ownerOf } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import { countIn, queuedRequests, runningRequests } from '../../../core/history/backlog.ts'
import type { ApiApp, Family } from '../family.ts'
import { defaultModel } from './params.ts'
import { queueAnswer, refused } from './response-schemas.ts'
import { tags } from './schemas.ts'

const mostItems = 100

const schema = {
  summary: 'The account’s requests that are not over.',
  description: 'Administrators see those of all accounts.',
  operationId: 'comfyQueue',
  tags,
  response: { 200: queueAnswer, ...refused },
}

export function queueRoutes(app: ApiApp, { core, authenticate }: Family): void {
  app.get('/queue', { schema }, async (request) => {
    const holder = await authenticate(request)
    const whose = ownerOf(holder)
    const [drawn, waiting, counts] = await Promise.all([
      runningRequests(core, whose, mostItems),
      queuedRequests(core, whose, mostItems),
      countIn(core, laneOf(core, holder)),
    ])
    return {
      queue_running: drawn.map(({ percent, startedAt, ...about }) => ({
        ...shown(about),
        percent,
        started_at: startedAt?.toISOString() ?? null,
      })),
      queue_pending: waiting.map(({ position, ...about }) => ({ ...shown(about), position })),
      ...counts,
    }
  })
}

/** The provider to which a request goes that names no model. */
export function laneOf(core: Core, holder: KeyHolder): string {
  const id = defaultModel(core, holder)
  const routes = core.models.all().find((model) => model.id === id)?.routes ?? []
  const route = routes.find(({ provider }) => core.providers.get(provider) !== undefined) ?? routes[0]
  return route?.provider ?? ''
}

const shown = ({ id, model, createdAt }: { id: string; model: string; createdAt: Date }) => ({
  task_id: id,
  model,
  created_at: createdAt.toISOString(),
})
