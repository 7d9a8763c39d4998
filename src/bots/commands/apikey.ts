/** `/apikey`, `/apikey create [name] [--cap n] [--models a,b]`, `/apikey revoke <id or last four>`: keys for programs. */
import { accountOf } from '../../core/accounts/accounts.ts'
import { type ApiKey, createApiKey, listApiKeys, revokeApiKey } from '../../core/accounts/api-keys.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import type { Call } from '../../core/ports/chat.ts'
import { findModel } from '../../core/request/resolve.ts'
import { cleanText } from '../../core/text.ts'
import { type Words, wordsFor } from '../../locales/index.ts'
import type { Command } from '../command.ts'

export const apikeyCommand: Command = {
  name: 'apikey',
  audience: 'private',
  options: [
    { name: 'key', type: 'choice', choices: ['list', 'create', 'revoke'] },
    { name: 'name', type: 'text' },
    { name: 'cap', type: 'integer', min: 1 },
    { name: 'models', type: 'text' },
  ],
  async run(call, core) {
    if (!call.isPrivate) throw new AppError('privately_only')
    return { text: await answer(core, call, paramsFromCall(call)), state: 'info', private: true }
  },
}

interface KeyParams {
  action: string
  name: string
  /** As it was written. */
  cap?: string
  models?: string
}

const flags = ['cap', 'models'] as const

/** Typed options where the platform has them, else the words after the command. */
function paramsFromCall(call: Call): KeyParams {
  const { key: action, name, cap, models } = call.options
  if (action === undefined) return read(cleanText(call.text).split(' '))
  const written = (value: string | number | boolean | undefined) =>
    value === undefined ? undefined : cleanText(String(value))
  return { action: String(action), name: written(name) ?? '', cap: written(cap), models: written(models) }
}

/** What follows `--models` may be several words, as in 'a, b'. Throws AppError unknown_option, bad_option. */
function read([action = '', ...rest]: string[]): KeyParams {
  const name: string[] = []
  const values: Partial<Record<(typeof flags)[number], string>> = {}
  for (let at = 0; at < rest.length; at++) {
    const flag = flagIn(rest[at] ?? '')
    if (flag === undefined) {
      name.push(rest[at] ?? '')
      continue
    }
    const start = at + 1
    at = start
    while (flag === 'models' && (rest[at]?.endsWith(',') || rest[at + 1]?.startsWith(','))) at++
    values[flag] = rest.slice(start, at + 1).join('')
  }
  return { action: action.toLowerCase(), name: name.join(' '), ...values }
}

/** Phones turn two hyphens into one dash. */
function flagIn(word: string): (typeof flags)[number] | undefined {
  const [, dash, name] = /^(--|—|–)([a-z]+)$/i.exec(word) ?? []
  const known = flags.find((flag) => flag === name?.toLowerCase())
  if (known === undefined && dash === '--') {
    throw new AppError('unknown_option', { name: word, available: flags.map((flag) => `--${flag}`) })
  }
  return known
}

async function answer(core: Core, call: Call, params: KeyParams): Promise<string> {
  const words = wordsFor(call.locale)
  const userId = await accountOf(core, call.from)
  if (params.action === '' || params.action === 'list') return listed(words, await listApiKeys(core, userId))
  if (params.action === 'create') return created(core, words, userId, params)
  return params.action === 'revoke' ? revoked(core, words, { userId, name: params.name }) : words.keys.usage
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
async function created(core: Core, words: Words, userId: string, params: KeyParams): Promise<string> {
  const name = params.name === '' ? words.keys.unnamed : params.name
  const cap = params.cap === undefined ? undefined : capOf(params.cap)
  const models = params.models === undefined ? undefined : modelsOf(core, params.models)
  const { key } = await createApiKey(core, { userId, name, monthlyCap: cap, models })
  return words.keys.created({ name, key, cap, models })
}

function capOf(written: string): number {
  if (/^\d{1,10}$/.test(written)) return Number(written)
  throw new AppError('bad_option', { name: 'cap', value: written, expected: '100' })
}

/** By any of their names. Throws AppError unknown_model. */
function modelsOf(core: Core, written: string): string[] {
  const names = written.split(/[,，、\s]+/).filter((name) => name !== '')
  const known = core.models.all()
  if (names.length === 0) throw new AppError('bad_option', { name: 'models', value: '', expected: known[0]?.id })
  return [...new Set(names.map((name) => findModel(known, name).id))]
}

/** Throws AppError unknown_key when it is none, or could be one of several. */
async function revoked(core: Core, words: Words, { userId, name }: { userId: string; name: string }): Promise<string> {
  const wanted = name.replace(/^…/, '')
  const keys = await listApiKeys(core, userId)
  const [key, another] = keys.filter(({ id, tail }) => id === wanted.toLowerCase() || tail === wanted)
  if (!key || another) throw new AppError('unknown_key', { name: wanted })
  await revokeApiKey(core, userId, key.id)
  return words.keys.revoked(key)
}
