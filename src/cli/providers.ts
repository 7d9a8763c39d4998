/**
 * `npm run providers -- …`: manages stored provider configurations, packs and the enhancer's instruction from
 * a terminal. Running processes notice changes within seconds. Keys are read from standard input, because other users
 * of the machine can see the command line.
 */

import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { terminalIdentity } from '../bots/terminal/terminal.ts'
import { loadConfig } from '../config.ts'
import type { Catalogue } from '../core/core.ts'
import { AppError, type OptionNames, spelled } from '../core/errors.ts'
import type { PackStore } from '../core/ports/packs.ts'
import type { ProviderKind } from '../core/ports/providers.ts'
import {
  addConfig,
  type ConfigChange,
  changeConfig,
  configRanges,
  listConfigs,
  openConfigs,
  removeConfig,
  resealConfigs,
} from '../core/providers/configs.ts'
import { findKind, providerNames } from '../core/providers/names.ts'
import { probe } from '../core/providers/probe.ts'
import { keepProviders, type Providers } from '../core/providers/registry.ts'
import { findModel } from '../core/request/choose-model.ts'
import { changeInstruction, readInstruction } from '../core/worker/enhance.ts'
import type { Database } from '../db/database.ts'
import { openDatabase } from '../db/open.ts'
import { wordsFor } from '../locales/index.ts'
import { createLog } from '../log.ts'
import { keepCatalogue, packFolders } from '../models/packs/catalogue.ts'
import { PackError } from '../models/packs/pack-error.ts'
import { providerKinds } from '../providers/index.ts'
import { secretKey } from '../storage/secret-key.ts'
import { readFrom } from './files.ts'
import { addPack, listPacks, removePack } from './packs.ts'
import { tryPack } from './try-pack.ts'

const usage = `npm run providers -- <command>

  list                               shows the stored configurations
  add <provider> [options] [< key]   ${providerNames(providerKinds).join(', ')}
  change <id> [options] [< key]
  activate <id> | remove <id>
  test <id or provider>              checks address and key, free of charge
  reseal < old-secret-key            encrypts the keys again after a change of SECRET_KEY
  packs | pack-add <file> | pack-remove <id>
  try <file> [words] [--image file]… [--send]   shows the requests of a model pack; --send sends one, which costs
  instruction | instruction-set <file> | instruction-reset

  options: --name text --url address --timeout seconds --concurrency n --model id --enabled yes|no
           --key (reads the key from standard input)
`

interface Context {
  database: Database
  secretKey: Buffer
  options: Options
  /** The word after the command; '' if there is none. */
  argument: string
}

const optionTypes = {
  name: { type: 'string' },
  url: { type: 'string' },
  timeout: { type: 'string' },
  concurrency: { type: 'string' },
  model: { type: 'string' },
  enabled: { type: 'string' },
  key: { type: 'boolean' },
  image: { type: 'string', multiple: true },
  send: { type: 'boolean' },
} as const
/** Options of the core → those of this command line. */
const optionNames: OptionNames = {
  ...Object.fromEntries(Object.keys(optionTypes).map((name) => [name, `--${name}`])),
  default_model: '--model',
}
type Options = ReturnType<typeof parse>['values']

function parse() {
  return parseArgs({ options: optionTypes, allowPositionals: true })
}

async function main(): Promise<number> {
  const { values: options, positionals } = parse()
  const [name = '', argument = '', words = ''] = positionals
  if (name === 'try') {
    process.stdout.write(`${await tryWith(options, argument, words)}\n`)
    return 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) {
    process.stderr.write(usage)
    return 2
  }
  const output = await withDatabase((opened) => command({ ...opened, options, argument }))
  process.stdout.write(`${output}\n`)
  return 0
}

async function withDatabase<T>(use: (opened: Pick<Context, 'database' | 'secretKey'>) => Promise<T>): Promise<T> {
  const config = loadConfig()
  const { databaseUrl: url, databaseDirectUrl: directUrl, dataDir } = config
  const database = await openDatabase({ url, directUrl, dataDir, maxConnections: 2 })
  try {
    return await use({ database, secretKey: await secretKey(config.secretKey, config.dataDir) })
  } finally {
    await database.close()
  }
}

/** Keys of the environment come first: the database may be in use by the server. */
function tryWith({ image = [], send = false }: Options, file: string, words: string): Promise<string> {
  const { providers, providerAddresses } = loadConfig()
  const stored = (name: string) =>
    withDatabase((opened) => withCatalogue(opened, async ({ providers }) => providers.get(name)?.settings))
  return tryPack({
    ...{ file, words, send, images: image },
    settingsOf: async (name) => providers.get(name) ?? stored(name),
    addressOf: (name) => providers.get(name)?.baseUrl ?? providerAddresses.get(name),
  })
}

const commands: Readonly<Record<string, (context: Context) => Promise<string>>> = {
  list: async (context) => {
    const configs = await listConfigs(context)
    if (configs.length === 0) return 'No configurations are stored. Providers come from the environment.'
    return configs
      .map(({ id, provider, name, keyEnd, active, enabled, baseUrl }) =>
        [id, provider, name, keyEnd ? `key …${keyEnd}` : 'no key', state(active, enabled), baseUrl ?? ''].join('  '),
      )
      .join('\n')
  },
  add: async (context) => {
    const kind = findKind(providerKinds, context.argument)
    const change = await changeOf(context)
    await withCatalogue(context, async ({ providers, models }) => {
      assertServes(models, kind.name, change)
      assertComplete(providers, kind, change)
    })
    return `Stored as ${await addConfig(editing(context), kind.name, change)}`
  },
  change: async (context) => {
    const change = await changeOf(context)
    const stored = (await listConfigs(context)).find(({ id }) => id === context.argument)
    if (stored) await withCatalogue(context, async ({ models }) => assertServes(models, stored.provider, change))
    await changeConfig(editing(context), context.argument, change)
    return 'Changed.'
  },
  activate: async (context) => {
    await changeConfig(editing(context), context.argument, { active: true })
    return 'Active.'
  },
  remove: async (context) => {
    await removeConfig(editing(context), context.argument)
    return 'Removed.'
  },
  test,
  reseal: async (context) =>
    `${await resealConfigs(editing(context), Buffer.from((await text(process.stdin)).trim()))} keys encrypted again.`,
  packs: withPacks(listPacks),
  'pack-add': withPacks(async (packs, file) => addPack(packs, await readFrom(file))),
  'pack-remove': withPacks(removePack),
  // earlier names
  workflows: withPacks(listPacks),
  'workflow-add': withPacks(async (packs, file) => addPack(packs, await readFrom(file))),
  'workflow-remove': withPacks(removePack),
  instruction: async ({ database }) => (await readInstruction(database)) ?? 'The built-in instruction is in use.',
  'instruction-set': async ({ database, argument }) => {
    await changeInstruction(database, { actor: terminalIdentity, instruction: (await readFrom(argument)).trim() })
    return 'Stored. It applies to the next prompt.'
  },
  'instruction-reset': async ({ database }) => {
    await changeInstruction(database, { actor: terminalIdentity })
    return 'The built-in instruction is in use again.'
  },
}

const editing = (context: Context) => ({ ...context, actor: terminalIdentity })

/** A command for the packs in the database, with its argument. */
function withPacks(run: (packs: PackStore, argument: string) => Promise<string>) {
  return (context: Context) => withCatalogue(context, ({ packs }) => run(packs, context.argument))
}

/** As it is known with the stored configurations, the environment and the packs. */
interface Known {
  providers: Providers
  models: Catalogue
  packs: PackStore
}

async function withCatalogue<T>(
  { database, secretKey }: Pick<Context, 'database' | 'secretKey'>,
  use: (known: Known) => Promise<T>,
): Promise<T> {
  const config = loadConfig()
  const log = createLog('silent')
  const providers = await keepProviders({
    database,
    secretKey,
    kinds: providerKinds,
    fallback: config.providers,
    defaults: config.providerDefaults,
    context: () => ({ log }),
    log,
  })
  try {
    const models = await keepCatalogue({ database, providers, folders: packFolders(config.dataDir), log })
    try {
      return await use({ providers, models, packs: models.packs })
    } finally {
      models.stop()
    }
  } finally {
    await providers.stop()
  }
}

/** Throws AppError unknown_model, which lists the models of the provider. */
function assertServes(models: Catalogue, provider: string, { defaultModel }: ConfigChange): void {
  if (typeof defaultModel === 'string') findModel(models.of(provider), defaultModel)
}

/** Throws an Error that says how to add what is missing. */
function assertComplete(providers: Providers, kind: ProviderKind, { key, baseUrl }: ConfigChange): void {
  const missing = providers.missingIn({ provider: kind.name, key: key ?? undefined, baseUrl: baseUrl ?? null })
  if (missing === 'url') throw new Error(`${kind.title} needs an address: --url ${kind.exampleUrl ?? 'https://…'}`)
  if (missing) throw new Error(`${kind.title} needs a key: --key < key.txt`)
}

/** Throws AppError unknown_provider, and what its test throws. */
function test(context: Context): Promise<string> {
  return withCatalogue(context, async ({ providers }) => {
    const stored = (await openConfigs(context)).find((each) => each.id === context.argument)
    const { name, title } = findKind(providerKinds, stored?.provider ?? context.argument)
    const settings = stored ? providers.settingsOf(stored) : providers.get(name)?.settings
    if (!settings) {
      throw new Error(`${title} is not set up: add a configuration with its address and key, or set it up in .env.`)
    }
    return (await probe(providers, name, settings)) === 'works'
      ? `${title} works.`
      : `${title} cannot be tested without paying for a picture.`
  })
}

/** Throws AppError bad_option. */
async function changeOf({ options }: Context): Promise<ConfigChange> {
  const { name, url, timeout, concurrency, model, enabled } = options
  return {
    name,
    baseUrl: url,
    timeoutSeconds: wholeNumber('timeout', timeout),
    maxConcurrent: wholeNumber('concurrency', concurrency),
    defaultModel: model,
    enabled: enabled === undefined ? undefined : yesOrNo(enabled),
    key: options.key ? (await text(process.stdin)).trim() : undefined,
  }
}

/** Throws AppError bad_option for what is no number; its range is checked with the change. */
function wholeNumber(name: keyof typeof configRanges, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^-?\d{1,9}$/.test(value)) return Number(value)
  const { min, max } = configRanges[name]
  throw new AppError('bad_option', { name, value, type: 'integer', expected: `${min}–${max}` })
}

function yesOrNo(value: string): boolean {
  if (/^(yes|true|on|1)$/i.test(value)) return true
  if (/^(no|false|off|0)$/i.test(value)) return false
  throw new AppError('bad_option', { name: 'enabled', value, expected: 'yes, no' })
}

function state(active: boolean, enabled: boolean): string {
  if (!active) return 'not active'
  return enabled ? 'active' : 'active, switched off'
}

function explain(error: unknown): string {
  if (error instanceof AppError) return wordsFor('en').errors[error.kind](spelled(error, optionNames))
  if (error instanceof PackError) return error.mistakes.join('\n')
  return error instanceof Error ? error.message : String(error)
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${explain(error)}\n`)
  return 1
})
