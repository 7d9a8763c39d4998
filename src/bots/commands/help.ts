/** `/help`, and `/start`, with which Telegram opens every private chat, also with the words of a link to the bot. */
import { accountOf } from '../../core/accounts/accounts.ts'
import { isAllowed, usualModel } from '../../core/accounts/settings.ts'
import { acceptInvitation, referralPrefix } from '../../core/billing/referrals.ts'
import { AppError } from '../../core/errors.ts'
import { drawing, namedModel, offeredAspects } from '../../core/request/choose-model.ts'
import { shorten } from '../../core/text.ts'
import { type AnyCommand, type Asked, commandsOn, defineCommand } from '../command.ts'
import { greetingFor } from '../greeting/greeting.ts'

/** Most characters of the list of models, which grows with workflow packs: a message may have 2,000 on Discord. */
const modelsLimit = 600

export const helpCommand = defineCommand({
  name: 'help',
  aliases: ['start'],
  needs: 'everyone',
  audience: 'private',
  options: {},
  async run(asked) {
    const { core, call, words, settings, commands } = asked
    if (call.act.kind === 'command' && call.act.name === 'start') {
      return greetingFor(asked, await invitationLine(asked))
    }
    const models = core.models.all()
    const model = namedModel(models, usualModel(core, { allowed: settings.chosen.allowed }))
    const ids = drawing(models).flatMap((each) => (isAllowed(settings.chosen, each) ? [each.id] : []))
    const offered = commandsOn(call.surface, commands).filter((command) => isFor(asked, command))
    const forAdmins = offered.filter(({ needs }) => needs === 'admin')
    const text = words.help({
      commands: offered
        .filter(({ needs }) => needs !== 'admin')
        .map(({ name }) => `/${name} · ${words.commands[name].description}`),
      adminCommands: forAdmins.map(({ name }) => `/${name}`),
      models: shorten(ids.join(', '), modelsLimit),
      ratios: offeredAspects([model]).join(' '),
    })
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})

/** `/start ref_<code>` comes from the link of an invitation. undefined: the command has no such code. */
async function invitationLine({ core, call, words }: Asked<unknown>): Promise<string | undefined> {
  const payload = call.act.kind === 'command' ? call.act.text.trim() : ''
  if (!payload.startsWith(referralPrefix)) return undefined
  try {
    await acceptInvitation(core, await accountOf(core, call.from), payload.slice(referralPrefix.length))
    return words.wallet.invited(core.limits.referral)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return words.errors[error.kind](error.data)
  }
}

/** Whether the person may use a command. Commands whose permission depends on their options count as allowed. */
function isFor({ core, call }: Pick<Asked<unknown>, 'core' | 'call'>, command: AnyCommand): boolean {
  const { needs, groupsOnly } = command
  if (groupsOnly && !call.place.group) return false
  if (needs === 'admin') return core.isAdmin(call.from.id)
  if (needs === 'manager') return call.place.manager || core.isAdmin(call.from.id)
  return true
}
