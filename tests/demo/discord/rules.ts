/** Channels and models: what a moderator rules for a server, and what its members then get. */
import type { DiscordStage } from './stage.ts'

export const rules = {
  name: 'rules',
  title: 'A server with rules: channels and models',
  about:
    'Mo moderates the server Painters. The bot gets turned off in one channel, and only two models may draw. The server Night Owls has no rules.',
  async play({ town, slash, mention, press }: DiscordStage) {
    const { lounge } = town.channels
    await slash('Mo', 'painting', 'server show')
    await slash('Ann', 'painting', 'server models', { models: 'all' })
    await slash('Mo', 'painting', 'server channel', { channel: lounge, state: 'off' })
    await slash('Ann', 'lounge', 'flux', { prompt: 'a fox in a forest' })
    await mention('Ann', 'lounge', 'a fox in a forest')
    await slash('Ann', 'lounge', 'credits')
    const [fox] = await slash('Ann', 'painting', 'flux', { prompt: 'a fox in a forest 3:2' })
    await slash('Mo', 'painting', 'server models', { models: 'flux-schnell, sketch' })
    await slash('Mo', 'painting', 'server default', { model: 'flux-pro' })
    await slash('Mo', 'painting', 'server default', { model: 'flux-schnell', ratio: '16:9' })
    await slash('Bea', 'painting', 'flux', { prompt: 'a sailing boat', model: 'flux-dev' })
    await slash('Bea', 'painting', 'flux', { prompt: 'a sailing boat' })
    if (fox) await press('Bea', fox, '🎲 Again')
    await slash('Bea', 'owls', 'flux', { prompt: 'a sailing boat at night', model: 'flux-dev' })
    await slash('Mo', 'painting', 'server models', { models: 'all' })
    await slash('Mo', 'painting', 'server channel', { channel: lounge, state: 'default' })
  },
}
