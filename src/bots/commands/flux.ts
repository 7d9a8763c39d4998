/** `/flux a cute cat 16:9`, and every plain message: a request. */
import { AppError } from '../../core/errors.ts'
import { submit } from '../../core/generation/submit.ts'
import { shorten } from '../../core/text.ts'
import { wordsFor } from '../../locales/index.ts'
import type { Command } from '../command.ts'

/** For platforms with typed options: the choices come from the models that are set up. */
export function fluxCommand(models: readonly string[], aspects: readonly string[]): Command {
  return {
    name: 'flux',
    aliases: ['imagine'],
    audience: 'public',
    options: [
      { name: 'prompt', type: 'text', required: true },
      { name: 'model', type: 'choice', choices: models },
      { name: 'aspect', type: 'choice', choices: aspects },
      { name: 'image1', type: 'image' },
      { name: 'image2', type: 'image' },
      { name: 'image3', type: 'image' },
      { name: 'image4', type: 'image' },
    ],
    async run(call, core) {
      const accepted = await submit(core, call)
      const text = wordsFor(call.locale).waiting({ prompt: shorten(accepted.request.prompt, 200) })
      return { text, state: 'waiting', accepted }
    },
  }
}

/** A ratio or a flag alone is not a request; said here so that dispatch stays free of it. */
export function noSuchCommand(name: string): never {
  throw new AppError('unknown_command', { name })
}
