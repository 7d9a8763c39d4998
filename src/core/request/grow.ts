/** The size of a picture that grows, or of which an area is drawn anew; and `left:256,top:50%`, as people write the sides. */
import { AppError } from '../errors.ts'
import { type Expand, type Margins, type PictureRequest, type Side, sides, type Takes } from '../ports/models.ts'
import { keepsSize } from './check.ts'

interface Size {
  width: number
  height: number
}

interface Growing {
  takes: Takes
  expand?: Expand
  /** Size of the first input picture. Absent: not read yet. */
  input?: Size
}

/** Adds the size of the result, and the pixels by which it grows. Throws AppError bad_option, result_too_small. */
export function grown(request: PictureRequest, { takes, expand, input }: Growing): PictureRequest {
  if (!input || !takes.kept || !keepsSize(takes, { ...request, expand })) return request
  const asked = marginsOf(expand ?? {}, input)
  const { side } = takes.kept
  const factor = Math.min(1, side / Math.max(input.width + across(asked), input.height + down(asked)))
  // each part is rounded alone, and together they do not exceed the side
  const scaled = (pixels: number, added: number) => Math.min(Math.round(pixels * factor), side - added)
  const margins = scaledSides(asked, factor)
  if (expand) checkMargins(expand, margins, takes)
  const kept = { width: scaled(input.width, across(margins)), height: scaled(input.height, down(margins)) }
  const size = { width: kept.width + across(margins), height: kept.height + down(margins) }
  const least = takes.sizes?.min ?? 1
  const isTooSmall = Math.min(kept.width, kept.height) < 1 || Math.min(size.width, size.height) < least
  if (isTooSmall) throw new AppError('result_too_small', { ...size, limitSide: least })
  return { ...request, ...size, ...(expand && { expand: margins }) }
}

export const scaledSides = ({ left, right, top, bottom }: Margins, factor: number): Margins => ({
  left: Math.round(left * factor),
  right: Math.round(right * factor),
  top: Math.round(top * factor),
  bottom: Math.round(bottom * factor),
})

/** The size without what is new. */
export function withoutSides({ width, height, expand }: Size & { expand?: Margins }): Size {
  return expand ? { width: width - across(expand), height: height - down(expand) } : { width, height }
}

const across = ({ left, right }: Margins) => left + right
const down = ({ top, bottom }: Margins) => top + bottom

function marginsOf(expand: Expand, { width, height }: Size): Margins {
  const pixels = (side: Side, length: number): number => {
    const by = expand[side] ?? 0
    return typeof by === 'number' ? by : Math.round((Number.parseFloat(by) / 100) * length)
  }
  return {
    left: pixels('left', width),
    right: pixels('right', width),
    top: pixels('top', height),
    bottom: pixels('bottom', height),
  }
}

function checkMargins(expand: Expand, margins: Margins, takes: Takes): void {
  const most = takes.expand?.max ?? 0
  const side = sides.find((each) => margins[each] > most)
  if (side !== undefined) {
    throw new AppError('bad_option', { name: 'expand', value: `${side}:${margins[side]}`, expected: `0–${most}` })
  }
  if (across(margins) + down(margins) === 0) throw badExpand(formatExpand(expand))
}

const mostPercent = 400
const mostPixels = 8192
const shownCharacters = 40
/** One side, as in 'left:256', 'left=50%' and 'left 256'; or a number alone, for all sides. */
const part = /^(?:(left|right|top|bottom|all)\s*[:=\s]\s*)?(\d{1,4})\s*(px|%)?$/

/** '256', '50%', 'left:256,right:256', 'all:10%'. Throws AppError bad_option. */
export function readExpand(text: string): Expand {
  const read: Partial<Record<Side, number | `${number}%`>> = {}
  const parts = text
    .trim()
    .toLowerCase()
    .replaceAll('：', ':')
    .replaceAll('％', '%')
    .split(/[,，、;]/)
  for (const written of parts) {
    const [whole, side = 'all', number = '', unit] = part.exec(written.trim()) ?? []
    const by = Number(number)
    if (whole === undefined || by > (unit === '%' ? mostPercent : mostPixels)) throw badExpand(text)
    const chosen = side === 'all' ? sides : [side as Side]
    if (chosen.some((each) => read[each] !== undefined)) throw badExpand(text)
    for (const each of chosen) read[each] = unit === '%' ? `${by}%` : by
  }
  if (Object.values(read).every((by) => Number.parseFloat(String(by)) === 0)) throw badExpand(text)
  return read
}

/** 'left:256,top:50%'. Sides that do not grow are left out. */
export function formatExpand(expand: Expand): string {
  return sides
    .flatMap((side) => (Number.parseFloat(String(expand[side] ?? 0)) > 0 ? [`${side}:${expand[side]}`] : []))
    .join(',')
}

function badExpand(text: string): AppError {
  const value = text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text
  return new AppError('bad_option', { name: 'expand', value, expected: expandExample })
}

export const expandExample = 'left:256,top:50%'
