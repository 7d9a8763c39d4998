/** `/help`, and `/start` as Telegram asks for it. */
import { findModel } from '../../core/request.ts'
import { wordsFor } from '../../locales/index.ts'
import type { Command } from '../command.ts'

export const helpCommand: Command = {
  name: 'help',
  aliases: ['start'],
  audience: 'private',
  options: [],
  async run(call, core) {
    const model = findModel(core.models, core.defaultModel)
    const text = wordsFor(call.locale).help({
      models: core.models.map((each) => each.id).join(', '),
      ratios: Object.keys(model.takes.aspects).join(' '),
    })
    return { text, state: 'info', private: true }
  },
}
