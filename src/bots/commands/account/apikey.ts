/**
 * `/apikey`, `/apikey create [name] [--cap n] [--models a,b]`, `/apikey revoke <id or last four>`: keys for programs. Administrators list
 * and revoke those of others: `/apikey revoke <id or last four> --user @name`.
 */
import { accountOf } from '../../../core/accounts/accounts.ts'
import { type ApiKey, createApiKey, listApiKeys, revokeApiKey, revokeKeyOf } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import { callHash } from '../../../core/ids.ts'
import { namedModel } from '../../../core/request/choose-model.ts'
import type { Words } from '../../../locales/index.ts'
import { defineCommand } from '../../command.ts'
import { personOf } from '../admin/person.ts'

export const apikeyCommand = defineCommand({
  name: 'apikey',
  needs: ({ user }) => (user === undefined ? 'everyone' : 'admin'),
  privateOnly: true,
  audience: 'private',
  options: {
    key: { type: 'choice', choices: ['list', 'create', 'revoke'] },
    name: { type: 'text', rest: true },
    cap: { type: 'integer', min: 1, flag: true },
    models: { type: 'text', flag: true },
    user: { type: 'user', flag: true },
  },
  async run({ core, call, words, values: { key = 'list', name = '', cap, models, user } }) {
    if (!call.isPrivate) throw new AppError('privately_only')
    if (user !== undefined && key === 'create')
      throw new AppError('unknown_option', { name: '--user', available: ['--cap', '--models'] })
    const userId = user === undefined ? await accountOf(core, call.from) : (await personOf(core, call, user)).userId
    const act = user === undefined ? undefined : { actor: call.from.id, key: `apikey:${callHash(core, call.key)}` }
    const wanted = { userId, name, cap, models, act, callKey: call.key }
    const { text, secrets }: Told =
      key === 'create'
        ? await created(core, words, wanted)
        : {
            text:
              key === 'revoke' ? await revoked(core, words, wanted) : listed(words, await listApiKeys(core, userId)),
          }
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true, secrets }
  },
})

interface Wanted {
  userId: string
  name: string
  cap: number | undefined
  /** As written: 'a, b'. */
  models: string | undefined
  callKey: string
  /** Set if an administrator revokes the key of another person. */
  act: { actor: string; key: string } | undefined
}

interface Told {
  text: string
  secrets?: readonly string[]
}

function listed(words: Words, keys: readonly ApiKey[]): string {
  if (keys.length === 0) return words.keys.none
  const lines = keys.map(({ monthlyCap, models, usedAt, ...key }) =>
    words.keys.line({
      ...key,
      cap: monthlyCap ?? undefined,
      models: models ?? undefined,
      used: usedAt?.toISOString().slice(0, 10),
    }),
  )
  return [words.keys.title, ...lines, words.keys.usage].join('\n')
}

/** Throws AppError too_many_keys, bad_option, unknown_model. */
async function created(core: Core, words: Words, wanted: Wanted): Promise<Told> {
  const { userId, cap, callKey } = wanted
  const name = wanted.name === '' ? words.keys.unnamed : wanted.name
  const models = wanted.models === undefined ? undefined : modelsOf(core, wanted.models)
  const { key } = await createApiKey(core, { userId, name, monthlyCap: cap, models, callKey })
  return { text: words.keys.created({ name, key, cap, models }), secrets: [key] }
}

/** By any of their names. Throws AppError unknown_model. */
function modelsOf(core: Core, written: string): string[] {
  const names = written.split(/[,，、\s]+/).filter((name) => name !== '')
  const all = core.models.all()
  if (names.length === 0) throw new AppError('bad_option', { name: 'models', value: '', expected: all[0]?.id })
  return [...new Set(names.map((name) => namedModel(all, name).id))]
}

/** Throws AppError unknown_key when there is no such key, or several end like that. */
async function revoked(core: Core, words: Words, { userId, name, act }: Wanted): Promise<string> {
  const wanted = name.replace(/^…/, '')
  const keys = await listApiKeys(core, userId)
  const [key, another] = keys.filter(({ id, tail }) => id === wanted.toLowerCase() || tail === wanted)
  if (!key || another) throw new AppError('unknown_key', { name: wanted })
  if (act) await revokeKeyOf(core, { userId, id: key.id }, act)
  else await revokeApiKey(core, userId, key.id)
  return words.keys.revoked(key)
}
