/** `/terms`: what people agree to when they buy credits. Telegram requires it of bots that sell something. */
import { defineCommand } from '../../command.ts'

export const termsCommand = defineCommand({
  name: 'terms',
  needs: 'everyone',
  surfaces: ['telegram'],
  audience: 'private',
  options: {},
  async run({ call, words }) {
    return { locale: call.locale, state: 'info', content: { kind: 'text', text: words.shop.terms }, private: true }
  },
})
