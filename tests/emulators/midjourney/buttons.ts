/** The buttons that Midjourney has below a finished task, by what the task did. */

export type Action = 'IMAGINE' | 'BLEND' | 'UPSCALE' | 'VARIATION' | 'REROLL' | 'ZOOM' | 'PAN' | 'DESCRIBE'

/** Those whose result is a grid that can be changed. */
export const changeable: ReadonlySet<Action> = new Set(['IMAGINE', 'BLEND', 'VARIATION', 'REROLL'])

interface Button {
  customId: string
  emoji: string
  label: string
  style: number
  type: 2
}

const button = (customId: string, label: string): Button => ({ customId, emoji: '', label, style: 2, type: 2 })
const numbers = [1, 2, 3, 4] as const

export function buttonsOf({ id, action }: { id: string; action: Action }): Button[] {
  const job = `0b5c4d1e-0000-4000-8000-${id.slice(-12)}`
  if (action === 'DESCRIBE') return numbers.map((at) => button(`MJ::Job::PicReader::${at}`, `${at}`))
  if (action !== 'UPSCALE') {
    return [
      ...numbers.map((at) => button(`MJ::JOB::upsample::${at}::${job}`, `U${at}`)),
      button(`MJ::JOB::reroll::0::${job}::SOLO`, ''),
      ...numbers.map((at) => button(`MJ::JOB::variation::${at}::${job}`, `V${at}`)),
    ]
  }
  return [
    button(`MJ::JOB::upsample_v7_2x_subtle::1::${job}::SOLO`, 'Upscale (Subtle)'),
    button(`MJ::JOB::upsample_v7_2x_creative::1::${job}::SOLO`, 'Upscale (Creative)'),
    button(`MJ::JOB::low_variation::1::${job}::SOLO`, 'Vary (Subtle)'),
    button(`MJ::JOB::high_variation::1::${job}::SOLO`, 'Vary (Strong)'),
    button(`MJ::Inpaint::1::${job}::SOLO`, 'Vary (Region)'),
    button(`MJ::Outpaint::50::1::${job}::SOLO`, 'Zoom Out 2x'),
    button(`MJ::Outpaint::75::1::${job}::SOLO`, 'Zoom Out 1.5x'),
    button(`MJ::CustomZoom::${job}`, 'Custom Zoom'),
    ...['left', 'right', 'up', 'down'].map((way) => button(`MJ::JOB::pan_${way}::1::${job}::SOLO`, '')),
    button(`MJ::BOOKMARK::${job}`, ''),
  ]
}

/** What the press of a button does. */
export function pressed(customId: string): { action: Action; index?: number } {
  const [, , kind = '', number] = customId.split('::')
  if (customId.startsWith('MJ::Outpaint::')) return { action: 'ZOOM' }
  if (kind.startsWith('pan_')) return { action: 'PAN' }
  if (kind === 'reroll') return { action: 'REROLL' }
  if (kind.includes('variation')) return { action: 'VARIATION', index: Number(number) }
  return { action: 'UPSCALE', index: Number(number) }
}
