/** Masks, and sides that grow, in a route of a model pack. */
import type { ImageRef, PictureRequest, Side, Takes } from '../../core/ports/models.ts'
import { sides } from '../../core/ports/models.ts'
import type { Json } from '../../db/json.ts'
import type { PackRoute } from './model-shape.ts'

/** Enough for what services draw with a few megapixels. */
const usualSide = 2048

/** Whether what it draws with a mask, or beyond the sides, has the size of the input picture. */
const keepsSize = ({ mask, expand, size }: PackRoute) =>
  expand !== undefined || (mask !== undefined && size === undefined)

export function areasTaken(route: PackRoute): Pick<Takes, 'mask' | 'expand' | 'kept'> {
  const { mask, expand, side = usualSide } = route
  const isByMask = expand?.as === 'mask'
  return {
    mask: mask && { marks: mask.marks, ...(!mask.optional && { required: true }) },
    expand: expand && {
      max: expand.max,
      ...(isByMask && { byMask: true }),
      ...(!isByMask && !expand.optional && { required: true }),
    },
    kept: keepsSize(route) ? { side } : undefined,
  }
}

/** The fields of the mask and of the sides. */
export function areaFields({ mask: named, expand }: PackRoute): [where: string, name: string][] {
  return [
    ...(named ? [['mask.name', named.name] as [string, string]] : []),
    ...(expand?.as === 'sides' ? sides.map((side): [string, string] => [`expand.${side}`, expand[side]]) : []),
  ]
}

type Put = (name: string, value: Json | undefined) => void

export function putAreas({ mask: named, expand }: PackRoute, { request, mask }: Filling, put: Put): void {
  if (named) put(named.name, mask)
  if (expand?.as !== 'sides') return
  for (const side of sides) put(expand[side], request.expand?.[side as Side] ?? 0)
}

interface Filling {
  request: PictureRequest
  mask?: ImageRef
}

export function areaMistakes({ mask, expand, size, side, images, call }: PackRoute): (string | false | undefined)[] {
  const needsPicture = (images?.min ?? 0) < 1
  return [
    mask && needsPicture && '.mask: is for routes that need a picture; write an "images" min of 1',
    mask && call !== undefined && call !== 'edits' && '.mask: only "call": "edits" takes a mask; remove it',
    expand && needsPicture && '.expand: is for routes that need a picture; write an "images" min of 1',
    expand && size !== undefined && '.size: a picture that grows keeps its own size; remove "size" or "expand"',
    expand?.as === 'mask' && !mask && '.expand: "as": "mask" needs the field "mask"',
    side !== undefined &&
      !keepsSize({ mask, expand, size } as PackRoute) &&
      '.side: is for results that keep the size of their picture, with "expand", or with "mask" and without "size"; remove it',
  ]
}

/** What a request brings: its number of pictures, and whether it has a mask, grows the picture and names LoRAs. */
const combinationsOf = (route: PackRoute): string[] => {
  const { min = 0, max = 0 } = route.images ?? {}
  const { mask, expand } = areasTaken(route)
  const counts = Array.from({ length: Math.max(0, max - min + 1) }, (_, more) => min + more)
  const areas = [false, true].flatMap((masked) => [false, true].map((grown) => ({ masked, grown })))
  const taken = areas.filter(
    ({ masked, grown }) =>
      (masked ? mask !== undefined : !mask?.required || (grown && expand?.byMask === true)) &&
      (grown ? expand !== undefined : !expand?.required),
  )
  const loras = route.loras ? [false, true] : [false]
  return counts.flatMap((count) =>
    taken.flatMap(({ masked, grown }) => loras.map((each) => `${count} ${masked} ${grown} ${each}`)),
  )
}

/** Whether every request that it takes is taken by an earlier route. */
export function isHidden(route: PackRoute, earlier: readonly PackRoute[]): boolean {
  const taken = new Set(earlier.flatMap(combinationsOf))
  const own = combinationsOf(route)
  return own.length > 0 && own.every((each) => taken.has(each))
}
