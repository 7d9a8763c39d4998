/** Which model draws what names none: the same for chats and for programs. */
import type { Core } from '../core.ts'
import type { Model } from '../ports/models.ts'
import { offered } from './resolve.ts'

/** What a model must take, whatever else is asked of it. */
export interface Needs {
  /** How many input pictures. */
  images: number
  words: boolean
}

/** It takes nearly everything, and is no substitute for what others draw. */
const lastResort = 'sketch'

/**
 * Everybody's default where it can do that, else the first that can; where none can, the default all the same: its refusal
 * says why. `allowed`: ids, in order of preference; null: all.
 */
export function defaultModel(
  core: Pick<Core, 'models' | 'providers'>,
  allowed: readonly string[] | null,
  needs: Needs,
): string {
  const known = core.models.all()
  const preferred = core.models.preferred()
  const byId = (id: string) => known.filter((model) => model.id === id)
  const first = allowed === null || allowed.includes(preferred) ? byId(preferred) : []
  const others = allowed === null ? offered(known).filter(({ id }) => id !== lastResort) : allowed.flatMap(byId)
  const candidates = [...first, ...others]
  const chosen = candidates.find((model) => canDraw(core, model, needs)) ?? candidates[0]
  return chosen?.id ?? allowed?.[0] ?? preferred
}

export function canDraw({ providers }: Pick<Core, 'providers'>, { routes }: Model, { images, words }: Needs): boolean {
  const route = routes.find(
    ({ provider, takes }) =>
      providers.get(provider) !== undefined && images >= takes.images.min && images <= takes.images.max,
  )
  return route !== undefined && !(words && route.takes.prompt === 'none')
}
