/** Shows how a result was made, and the words that ask for the same again. */
import { AppError } from '../../core/errors.ts'
import { readResult, type StoredResult } from '../../core/generation/result.ts'
import { formatExpand } from '../../core/request/grow.ts'
import { formatLora } from '../../core/request/loras.ts'
import type { Menu } from './menu.ts'

export const recipeMenu: Menu = {
  name: 'recipe',
  async run({ core, call, words, parent }) {
    const result = parent && (await readResult(core, parent.id))
    if (!result) throw new AppError('no_recipe')
    const { prompt } = result.request
    const text = words.recipe({
      prompt,
      enhanced: result.enhanced ?? undefined,
      flags: flagsOf(result),
      inputs: result.inputs.length,
      masked: result.request.mask === true,
    })
    const content = { kind: 'text', text } as const
    return { locale: call.locale, state: 'info', content, private: true }
  },
}

/** The parameters as people write them. */
function flagsOf({ request, seed, enhanced }: StoredResult): string {
  const { model, aspect, width, height, count, steps, guidance, strength, negative, mask, expand, loras } = request
  const flags = {
    model,
    ar: mask || expand ? undefined : aspect === '' || aspect === 'auto' ? `${width}x${height}` : aspect,
    n: count > 1 ? count : undefined,
    seed: seed ?? request.seed,
    steps,
    guidance,
    strength,
    expand: expand && formatExpand(expand),
    lora: loras?.map(formatLora).join(' --lora '),
    no: negative && `"${negative}"`,
  }
  const written = Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [`--${name} ${value}`]))
  // the enhanced prompt is shown in place of the person's own
  return [...written, ...(enhanced === null ? [] : ['--enhance=off'])].join(' ')
}
