/**
 * `/upscale [id] [scale]`: makes a picture two or four times as large. It is attached, replied to, or the person's own and named
 * by its id.
 */
import { AppError } from '../../core/errors.ts'
import { asInput, pictureOf } from '../../core/generation/result.ts'
import { chooseModel } from '../../core/request/choose-model.ts'
import { ownResult } from '../../core/results/own.ts'
import { defineCommand } from '../command.ts'
import { submitFor } from '../submit.ts'

const scales = ['2', '4'] as const
/** Reads '4', '4x' or 'x4', alone or together with an id. */
const scaleForm = /^x?([0-9]{1,2})[x×]?$/i

export const upscaleCommand = defineCommand({
  name: 'upscale',
  needs: 'everyone',
  audience: 'chosen',
  options: {
    image: { type: 'image' },
    id: { type: 'text', rest: true },
    scale: { type: 'choice', choices: () => scales, flag: true },
  },
  async run({ core, call, values, images, parent, settings }) {
    const written = split(values.id ?? '')
    const scale = readScale(values.scale ?? written.scale)
    const result = written.id === undefined ? undefined : await ownResult(core, call.from, written.id)
    // a picture that the person replied to is among the images already
    const all = result ? [asInput(core, pictureOf(result), { exact: true }), ...images] : images
    const chosen = chooseModel(core, { name: 'upscale', images: all.length, words: false })
    const from = result?.id ?? parent?.id
    return submitFor(core, call, {
      chosen,
      params: { prompt: '', scale },
      images: all,
      parent: from === undefined ? undefined : { id: from, button: 'upscale' },
      private: settings.chosen.private,
    })
  },
})

/** Throws AppError bad_option for more than an id and a scale. */
function split(text: string): { id?: string; scale?: string } {
  const words = text.split(/\s+/).filter((word) => word !== '')
  const scale = words.find((word) => scaleForm.test(word))
  const [id, ...others] = words.filter((word) => word !== scale)
  if (others.length > 0)
    throw new AppError('bad_option', { name: 'id', value: others.join(' '), expected: '1a2b3c4d 4' })
  return { id, scale }
}

/** Throws AppError bad_option. */
function readScale(written: string | undefined): number | undefined {
  if (written === undefined) return undefined
  const scale = scales.find((each) => each === scaleForm.exec(written)?.[1])
  if (scale === undefined)
    throw new AppError('bad_option', { name: 'scale', value: written, expected: scales.join(', ') })
  return Number(scale)
}
