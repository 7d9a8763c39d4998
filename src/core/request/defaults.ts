/** Fills in what a request in a chat leaves open, from the settings in force. */
import type { InForce } from '../accounts/settings.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { RequestParams } from '../ports/models.ts'
import { type ChosenModel, checkParams } from './check.ts'
import { canServe, chooseModel, inputsOf, type Needs } from './choose-model.ts'

/** What a person or group may have set, and the models that the group allows. */
export type Defaults = Pick<InForce, 'model' | 'aspect' | 'count' | 'allowed'>

export interface Filled {
  chosen: ChosenModel
  params: RequestParams
}

interface Asking {
  params: RequestParams
  /** Number of input pictures. */
  images: number
  defaults: Defaults
}

/**
 * A request is never refused because of a setting: a ratio or count from the settings applies only if the model takes it.
 * Input pictures keep their shape. Throws AppError as `chooseModel` does.
 */
export function fillIn(core: Pick<Core, 'models' | 'providers'>, { params, images, defaults }: Asking): Filled {
  const open: Partial<RequestParams> = {
    ...(params.count === undefined && defaults.count !== undefined ? { count: defaults.count } : {}),
    ...(params.aspect === undefined && defaults.aspect !== undefined && images === 0
      ? { aspect: defaults.aspect }
      : {}),
  }
  const checkWith = (wanted: RequestParams) => (model: ChosenModel) => checkParams(model, wanted, images)
  const needs = { ...inputsOf(params, images), words: params.prompt !== '' }
  const asked = { ...needs, check: checkWith(params) }
  const chosen = choose(core, { params, defaults }, [{ ...needs, check: checkWith({ ...params, ...open }) }, asked])
  const { count, ...rest } = open
  const fitting = count === undefined ? rest : { ...rest, count: Math.min(count, chosen.takes.count) }
  const taken = Object.entries(fitting).filter(([name, value]) =>
    passes(() => checkParams(chosen, { ...params, [name]: value }, images)),
  )
  return { chosen, params: { ...params, ...Object.fromEntries(taken) } }
}

type CheckedNeeds = Needs & Required<Pick<Needs, 'check'>>

/** The last parameter: what the model should take, with the settings and without them. */
function choose(
  core: Pick<Core, 'models' | 'providers'>,
  { params, defaults }: Omit<Asking, 'images'>,
  [withSettings, asked]: [CheckedNeeds, CheckedNeeds],
): ChosenModel {
  // whether a model that is named may draw in the group is for the rules to say (chats/rules.ts)
  if (params.model !== undefined) return chooseModel(core, { name: params.model, ...asked })
  const { allowed } = defaults
  const own = core.models.all().find(({ id }) => id === defaults.model)
  if (own && canServe(core, own, asked)) return chooseModel(core, { name: own.id, ...asked })
  const found = chooseModel(core, { allowed, ...withSettings })
  return passes(() => withSettings.check(found)) ? found : chooseModel(core, { allowed, ...asked })
}

function passes(check: () => unknown): boolean {
  try {
    check()
    return true
  } catch (error) {
    if (error instanceof AppError) return false
    throw error
  }
}
