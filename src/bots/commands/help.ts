/** `/help`, and `/start` as Telegram asks for it. */
import { findModel, knownAspects, offered } from '../../core/request/resolve.ts'
import { wordsFor } from '../../locales/index.ts'
import type { Command } from '../command.ts'

export const helpCommand: Command = {
  name: 'help',
  aliases: ['start'],
  audience: 'private',
  options: [],
  async run(call, core) {
    const models = core.models.all()
    const model = findModel(models, core.models.preferred())
    const text = wordsFor(call.locale).help({
      models: offered(models)
        .map((each) => each.id)
        .join(', '),
      ratios: knownAspects([model]).join(' '),
    })
    return { text, state: 'info', private: true }
  },
}
