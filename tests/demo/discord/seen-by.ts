/** Who sees what: private answers as the default of a server, and pictures that an image service flags. */
import type { DiscordStage } from './stage.ts'

export const seenBy = {
  name: 'seen-by',
  title: 'Who sees what: private answers and NSFW pictures',
  about:
    'Mo makes answers private by default, and later lets pictures that the image service flags be posted in the age-restricted channel #after-dark.',
  async play({ slash, press }: DiscordStage) {
    await slash('Mo', 'painting', 'server private', { state: 'on' })
    const [cat] = await slash('Cyd', 'painting', 'flux', { prompt: 'a cat on a roof', model: 'sketch' })
    if (cat) await press('Cyd', cat, '⭐')
    await slash('Cyd', 'painting', 'flux', { prompt: 'a cat on a roof', model: 'sketch', private: false })
    await slash('Mo', 'painting', 'server private', { state: 'default' })
    const nude = { prompt: 'a nude statue in a garden 3:2', model: 'flux-dev' }
    await slash('Cyd', 'after-dark', 'flux', nude)
    await slash('Mo', 'after-dark', 'server nsfw', { state: 'on' })
    await slash('Cyd', 'after-dark', 'flux', nude)
    await slash('Cyd', 'painting', 'flux', nude)
    await slash('Cyd', 'painting', 'credits')
  },
}
