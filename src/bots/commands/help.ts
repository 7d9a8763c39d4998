/** `/help`, and `/start` as Telegram asks for it. */
import { drawing, findModel, offeredAspects } from '../../core/request/choose-model.ts'
import { defineCommand } from '../command.ts'

export const helpCommand = defineCommand({
  name: 'help',
  aliases: ['start'],
  needs: 'everyone',
  audience: 'private',
  options: {},
  async run({ core, call, words }) {
    const models = core.models.all()
    const model = findModel(models, core.models.preferred())
    const text = words.help({
      models: drawing(models)
        .map(({ id }) => id)
        .join(', '),
      ratios: offeredAspects([model]).join(' '),
    })
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})
