/** Another route for a generation whose provider is known not to have run it. */
import type { Core } from '../core.ts'
import type { AppError, ErrorKind } from '../errors.ts'
import { routesFor } from '../request/resolve.ts'
import { type Generation, moveToRoute } from './row.ts'

/** Troubles of a provider, not of the request: another may well do it. */
const elsewhere: ReadonlySet<ErrorKind> = new Set([
  'provider_missing',
  'provider_busy',
  'provider_failed',
  'provider_timeout',
  'provider_account',
  'provider_quota',
])

/** False: there is no other that takes the very same request, or it has been tried. */
export async function failOver(core: Core, generation: Generation, error: AppError): Promise<boolean> {
  if (!error.neverRan || !elsewhere.has(error.kind)) return false
  const model = core.models.all().find((each) => each.id === generation.model)
  if (!model) return false
  const given = [
    ...generation.tried,
    { provider: generation.provider, endpoint: generation.endpoint, error: error.kind },
  ]
  const next = routesFor(model, generation.request, (provider) => core.providers.get(provider) !== undefined).find(
    (route) => !given.some((each) => each.provider === route.provider && each.endpoint === route.endpoint),
  )
  if (!next || !(await moveToRoute(core, generation, { ...next, tried: given }))) return false
  core.log.warn(
    { id: generation.id, from: generation.provider, to: next.provider, kind: error.kind },
    'another provider takes over',
  )
  await core.queue
    .add({ id: generation.id, lane: next.provider, priority: generation.priority, resumed: true })
    .catch((failure) =>
      core.log.warn({ id: generation.id, err: failure }, 'the queue did not take it; the sweeper will'),
    )
  return true
}
