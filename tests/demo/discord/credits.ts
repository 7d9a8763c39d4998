/** Credits of a role, and the pool of a server. */
import type { DiscordStage } from './stage.ts'

export const credits = {
  name: 'credits',
  title: 'Credits of a role, and the pool of a server',
  about:
    'Members with the role Patrons get 5 credits on each day on which they use the bot. Bea gives credits to all; Cyd, who has none left, draws on them, up to 2 a day.',
  async play({ town, slash }: DiscordStage) {
    const { roleId: role, userIds } = town
    await slash('Mo', 'painting', 'server role', { role, credits: 5 })
    await slash('Ann', 'painting', 'credits', {}, { roles: [role] })
    await slash('Bea', 'painting', 'server fund', { amount: 30 })
    await slash('Mo', 'painting', 'credits', { action: 'give', user: userIds.Bea, amount: 40, reason: 'prize' })
    await slash('Bea', 'painting', 'server fund', { amount: 30 })
    await slash('Mo', 'painting', 'credits', { action: 'set', user: userIds.Cyd, amount: 0 })
    await slash('Cyd', 'painting', 'flux', { prompt: 'an island 3:2', model: 'sketch' })
    await slash('Mo', 'painting', 'server pool', { cap: 2 })
    await slash('Cyd', 'painting', 'flux', { prompt: 'an island 3:2', model: 'sketch' })
    await slash('Cyd', 'painting', 'flux', { prompt: 'an island in a storm', model: 'flux-dev' })
    await slash('Cyd', 'owls', 'flux', { prompt: 'an island', model: 'sketch' })
    await slash('Cyd', 'painting', 'credits')
    await slash('Mo', 'painting', 'server show')
    await slash('Mo', 'painting', 'credits', { action: 'give', user: userIds.Cyd, amount: 40 })
  },
}
