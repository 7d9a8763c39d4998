/** OpenAI's `size` → what a model knows: one of its ratios, or exact sizes where it takes them. */
import type { Model, Takes } from '../../../core/ports.ts'
import { OpenAiError } from './errors.ts'

/** undefined: the model's own choice. Throws OpenAiError with the sizes it knows. */
export function aspectOf(model: Model, takes: Takes, size: string | undefined): string | undefined {
  if (size === undefined) return undefined
  const wanted = size.trim().toLowerCase().replace('：', ':').replace('×', 'x')
  if (wanted === 'auto') return undefined
  if (Object.hasOwn(takes.aspects, wanted)) return wanted
  const [, width, height] = /^(\d{1,5})x(\d{1,5})$/.exec(wanted) ?? []
  if (width !== undefined && height !== undefined) {
    const preset = Object.entries(takes.aspects).find(([, [w, h]]) => w === Number(width) && h === Number(height))
    if (preset) return preset[0]
    if (takes.sizes && within(takes.sizes, Number(width), Number(height))) return `${Number(width)}x${Number(height)}`
  }
  throw new OpenAiError(
    `Invalid value for 'size': '${size.slice(0, 40)}'. ${model.id} knows: ${knownSizes(takes).join(', ')}.`,
    { param: 'size', code: 'invalid_value' },
  )
}

function within({ min, max }: { min: number; max: number }, width: number, height: number): boolean {
  return Math.min(width, height) >= min && Math.max(width, height) <= max
}

function knownSizes({ aspects, sizes }: Takes): string[] {
  const presets = Object.entries(aspects).filter(([name]) => name !== 'auto')
  return [
    'auto',
    ...presets.map(([, [width, height]]) => `${width}x${height}`),
    ...presets.map(([name]) => name),
    ...(sizes ? [`any WxH of ${sizes.min} to ${sizes.max} pixels`] : []),
  ]
}
