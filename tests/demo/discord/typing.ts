/** What Discord's client shows besides messages: choices while a person types, forms, and the menu of a message. */
import { paint } from '../painter.ts'
import { only } from '../stage.ts'
import type { DiscordStage } from './stage.ts'

export const typing = {
  name: 'typing',
  title: 'Choices while a person types, forms, and the menu of a message',
  about: 'Bea lets the bot complete what she types, changes a picture in a form, and uses the entries under Apps.',
  async play({ slash, type, fillIn, menu, show }: DiscordStage) {
    await type('Bea', 'painting', 'flux', { prompt: 'a house by the sea', model: 'flux', count: 2 }, 'model')
    await type('Bea', 'painting', 'flux', { prompt: 'a house by the sea', model: 'sketch', aspect: '9' }, 'aspect')
    await type('Bea', 'painting', 'flux', { prompt: 'tow' }, 'prompt')
    const values = { prompt: 'a house by the sea', model: 'sketch', aspect: '16:9', seed: '7' }
    const house = only(await slash('Bea', 'painting', 'flux', values))
    await fillIn('Bea', house, '✏️ Edit', { prompt: 'a house by the sea at night' })
    await menu('Ann', house, 'Show recipe')
    const photo = await show(
      'Cyd',
      'painting',
      'My house',
      await paint({ prompt: 'a red house', width: 768, height: 512 }),
    )
    await menu('Ann', photo, 'Edit with fluxbot', { prompt: 'a red house in winter, snow' })
    await menu('Ann', photo, 'Show recipe')
  },
}
