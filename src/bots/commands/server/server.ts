/** `/server`: what the people who manage a server of Discord rule for it. Each sub-command answers with all of the rules. */
import { accountOf } from '../../../core/accounts/accounts.ts'
import { maxGrant } from '../../../core/billing/ledger.ts'
import { fund, poolOf } from '../../../core/billing/pool.ts'
import {
  allModels,
  modelsIn,
  ruleChannel,
  ruleModels,
  ruleNsfw,
  rulePool,
  ruleRole,
} from '../../../core/chats/change-rules.ts'
import { chatOf } from '../../../core/chats/rules.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import type { Call } from '../../../core/ports/chat.ts'
import type { Words } from '../../../locales/index.ts'
import { defineCommand } from '../../command.ts'
import { changeSettings } from '../../settings/reply.ts'
import { byDefault } from '../../settings/values.ts'
import { suggestAspects, suggestModelLists, suggestModels } from '../../suggest/request.ts'
import { rulesReply } from './reply.ts'

export const serverCommand = defineCommand({
  name: 'server',
  surfaces: ['discord'],
  groupsOnly: true,
  needs: ({ action }) => (action === 'fund' ? 'everyone' : 'manager'),
  audience: 'private',
  options: {
    action: {
      type: 'choice',
      choices: ['show', 'channel', 'models', 'default', 'private', 'nsfw', 'role', 'pool', 'fund'],
      required: true,
    },
    channel: { type: 'channel' },
    state: { type: 'choice', choices: ['on', 'off', byDefault] },
    models: { type: 'text', suggest: suggestModelLists },
    model: { type: 'text', suggest: suggestModels },
    ratio: { type: 'text', suggest: suggestAspects },
    role: { type: 'role' },
    credits: { type: 'integer', min: 0, max: maxGrant },
    cap: { type: 'integer', min: 0, max: maxGrant },
    amount: { type: 'integer', min: 1, max: maxGrant },
  },
  subcommands: {
    show: { required: [] },
    // without a channel, `default` ends the rules of channels that are deleted, too
    channel: { required: ['state'], optional: ['channel'] },
    models: { required: ['models'] },
    default: { required: [], optional: ['model', 'ratio'] },
    private: { required: ['state'] },
    nsfw: { required: ['state'] },
    role: { required: ['role', 'credits'] },
    pool: { required: ['cap'] },
    fund: { required: ['amount'] },
  },
  async run({ core, call, words, values }) {
    const chat = chatOf(call)
    if (chat === undefined) throw new AppError('groups_only')
    if (values.action === 'fund') {
      const text = await funded(core, call, { words, chat, amount: numberIn(values, 'amount') })
      return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
    }
    const isChange = values.action !== 'show'
    if (isChange) await change(core, call, { ...values, chat })
    return rulesReply(core, call, isChange)
  },
})

type Given = Readonly<
  Record<'chat' | 'action', string> &
    Partial<Record<'channel' | 'state' | 'models' | 'model' | 'ratio' | 'role', string>>
> &
  Numbers

type Numbers = Readonly<Partial<Record<'credits' | 'cap' | 'amount', number>>>

type TextOption = Exclude<keyof Given, keyof Numbers>

async function change(core: Core, call: Call, given: Given): Promise<void> {
  const { chat, action, model, ratio, state } = given
  switch (action) {
    case 'channel': {
      const { state } = needed(given, { state: 'on, off, default' })
      return ruleChannel(core, chat, { channel: given.channel, works: state === byDefault ? null : state === 'on' })
    }
    case 'models':
      return ruleModels(core, chat, modelsIn(core, needed(given, { models: allModels }).models))
    case 'default':
      if (model === undefined && ratio === undefined) {
        throw new AppError('bad_option', { name: 'model', value: '', expected: byDefault })
      }
      await changeSettings({ core, call, whose: 'here' }, { model, aspect: ratio })
      return
    case 'nsfw':
      return ruleNsfw(core, chat, needed(given, { state: 'on, off' }).state === 'on')
    case 'role': {
      const { role } = needed(given, { role: '@…' })
      const [id = '', ...words] = role.split(' ')
      // Discord gives @everyone the id of the server, and does not list it among the roles of a member
      if (id === call.place.group?.id) throw new AppError('bad_option', { name: 'role', value: role, expected: '@…' })
      return ruleRole(core, chat, { role: id, name: words.join(' ') || id, credits: numberIn(given, 'credits') })
    }
    case 'pool':
      return rulePool(core, chat, numberIn(given, 'cap'))
    default:
      needed(given, { state: 'on, off, default' })
      await changeSettings({ core, call, whose: 'here' }, { private: state })
  }
}

/** Discord's client asks for them; other programs may leave them out. `examples`: by name. Throws AppError bad_option. */
function needed<N extends TextOption>(given: Given, examples: Readonly<Record<N, string>>): Record<N, string> {
  const entries = Object.entries<string>(examples).map(([name, expected]) => {
    const value = given[name as N]
    if (value === undefined || value === '') throw new AppError('bad_option', { name, value: '', expected })
    return [name, value]
  })
  return Object.fromEntries(entries)
}

/** Throws AppError bad_option. */
function numberIn(given: Numbers, name: keyof Numbers): number {
  const value = given[name]
  if (value === undefined) throw new AppError('bad_option', { name, value: '', expected: '1, 2, 3 …' })
  return value
}

interface Funding {
  words: Words
  chat: string
  amount: number
}

async function funded(core: Core, call: Call, { words, chat, amount }: Funding): Promise<string> {
  const { surface, place, from, key } = call
  const { fresh, balance } = await fund(core, { userId: await accountOf(core, from), chat, amount, key })
  const pool = await poolOf(core, { surface, place, member: from.id })
  return words.wallet.funded({ fresh, amount, balance, pool: pool?.balance ?? 0 })
}
