/** Makes parameters fit what a model takes, for clients that send the same parameters to every model. */

import { numberParams, type RequestParams, type Takes } from '../ports/models.ts'
import { keepsSize } from './check.ts'

/**
 * Leaves out what the model does not take, and moves numbers outside its range to the nearest end. `fit` of the result names
 * these options.
 */
export function fitParams(takes: Takes, params: RequestParams): RequestParams {
  const fitted = { ...params }
  const ignored: string[] = []
  const adjusted: string[] = []
  if (takes.prompt === 'none' && params.prompt !== '') {
    fitted.prompt = ''
    ignored.push('prompt')
  }
  // beside a mask or sides that grow, a size is refused: the picture has its own
  if (params.aspect !== undefined && Object.keys(takes.aspects).join() === 'auto' && !keepsSize(takes, params)) {
    delete fitted.aspect
    ignored.push('aspect')
  }
  if (params.negative !== undefined && !takes.negative) {
    delete fitted.negative
    ignored.push('negative')
  }
  if (params.scale !== undefined && !takes.scales) {
    delete fitted.scale
    ignored.push('scale')
  }
  const { loras } = params
  if (loras && !takes.loras) {
    delete fitted.loras
    ignored.push('loras')
  }
  if (loras && takes.loras) {
    const { range } = takes.loras
    fitted.loras = loras.map(({ path, scale }) => ({
      path,
      ...(scale !== undefined && { scale: clamp(scale, range) }),
    }))
    if (fitted.loras.some(({ scale }, at) => scale !== loras[at]?.scale)) adjusted.push('loras')
  }
  for (const name of numberParams) {
    const value = params[name]
    const range = takes.params[name]
    if (value === undefined) continue
    if (!range) {
      delete fitted[name]
      ignored.push(name)
      continue
    }
    const nearest = clamp(Number(value), range)
    if (nearest === Number(value)) continue
    Object.assign(fitted, { [name]: name === 'seed' ? String(BigInt(nearest)) : nearest })
    adjusted.push(name)
  }
  const { count = 1 } = params
  const nearest = clamp(count, { min: 1, max: takes.count })
  if (nearest !== count) {
    fitted.count = nearest
    adjusted.push('count')
  }
  return ignored.length + adjusted.length === 0 ? fitted : { ...fitted, fit: { ignored, adjusted } }
}

const clamp = (value: number, { min, max }: { min: number; max: number }) => Math.min(max, Math.max(min, value))
