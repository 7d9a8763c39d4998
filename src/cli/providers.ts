/**
 * `npm run providers -- …`: manages stored provider configurations, workflow packs and the enhancer's instruction from
 * a terminal. Running processes notice changes within seconds. Keys are read from standard input, because other users
 * of the machine can see the command line.
 */

import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { sql } from 'drizzle-orm'
import { loadConfig } from '../config.ts'
import { AppError, type OptionNames, spelled } from '../core/errors.ts'
import {
  addConfig,
  type ConfigChange,
  changeConfig,
  listConfigs,
  openConfigs,
  removeConfig,
  resealConfigs,
} from '../core/providers/configs.ts'
import { probe } from '../core/providers/probe.ts'
import { keepProviders } from '../core/providers/registry.ts'
import { instructionFact } from '../core/worker/enhance.ts'
import { columnsOf, readRows } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { readFact, saveFact } from '../db/facts.ts'
import { openDatabase } from '../db/open.ts'
import { workflowPacks } from '../db/schema/operation.ts'
import { wordsFor } from '../locales/index.ts'
import { createLog } from '../log.ts'
import { parsePack } from '../models/packs/pack.ts'
import { readText } from '../models/packs/read-text.ts'
import { providerKinds } from '../providers/index.ts'
import { secretKey } from '../storage/secret-key.ts'

const usage = `npm run providers -- <command>

  list                               shows the stored configurations
  add <provider> [options] [< key]   ${providerKinds.map(({ name }) => name).join(', ')}
  change <id> [options] [< key]
  activate <id> | remove <id>
  test <id or provider>              checks address and key, free of charge
  reseal < old-secret-key            encrypts the keys again after a change of SECRET_KEY
  workflows | workflow-add <file> | workflow-remove <id>
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
  const [name = '', argument = ''] = positionals
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) {
    process.stderr.write(usage)
    return 2
  }
  const config = loadConfig()
  const database = await openDatabase({ url: config.databaseUrl, dataDir: config.dataDir })
  try {
    const key = await secretKey(config.secretKey, config.dataDir)
    process.stdout.write(`${await command({ database, secretKey: key, options, argument })}\n`)
    return 0
  } finally {
    await database.close()
  }
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
    if (!providerKinds.some(({ name }) => name === context.argument)) throw new Error(usage)
    return `Stored as ${await addConfig(context, context.argument, await changeOf(context))}`
  },
  change: async (context) => {
    await changeConfig(context, context.argument, await changeOf(context))
    return 'Changed.'
  },
  activate: async (context) => {
    await changeConfig(context, context.argument, { active: true })
    return 'Active.'
  },
  remove: async (context) => {
    await removeConfig(context, context.argument)
    return 'Removed.'
  },
  test,
  reseal: async (context) =>
    `${await resealConfigs(context, Buffer.from((await text(process.stdin)).trim()))} keys encrypted again.`,
  workflows: async ({ database }) => {
    const rows = await readRows(
      database,
      columnsOf({ id: workflowPacks.id }),
      (list) => sql`select ${list} from workflow_packs order by id`,
    )
    return (
      rows.map(({ id }) => id).join('\n') ||
      'No workflow packs are stored in the database. Packs in DATA_DIR/workflows work as well.'
    )
  },
  'workflow-add': async ({ database, argument }) => {
    const body = await readText(argument)
    const { id } = parsePack(body)
    await database.rows(sql`
      insert into workflow_packs (id, body) values (${id}, ${body}) on conflict (id) do update set body = excluded.body`)
    return `Stored as model ${id}.`
  },
  'workflow-remove': async ({ database, argument }) => {
    const removed = await database.rows(sql`delete from workflow_packs where id = ${argument} returning id`)
    return removed.length > 0 ? 'Removed.' : `There is no workflow pack "${argument}" in the database.`
  },
  instruction: async ({ database }) =>
    (await readFact(database, instructionFact)) ?? 'The built-in instruction is in use.',
  'instruction-set': async ({ database, argument }) => {
    await saveFact(database, instructionFact, (await readFile(argument, 'utf8')).trim())
    return 'Stored. It applies to the next prompt.'
  },
  'instruction-reset': async ({ database }) => {
    await database.rows(sql`delete from facts where name = ${instructionFact}`)
    return 'The built-in instruction is in use again.'
  },
}

async function test(context: Context): Promise<string> {
  const config = loadConfig()
  const log = createLog('silent')
  const providers = await keepProviders({
    ...context,
    kinds: providerKinds,
    fallback: config.providers,
    defaults: config.providerDefaults,
    context: () => ({ log }),
    log,
  })
  try {
    const stored = (await openConfigs(context)).find((each) => each.id === context.argument)
    const name = stored?.provider ?? context.argument
    const settings = stored ? providers.settingsOf(stored) : providers.get(name)?.settings
    if (!settings)
      return `${name} is not set up: add a configuration with an address or key, or set it up in the environment.`
    return (await probe(providers, name, settings)) === 'works'
      ? `${name} works.`
      : `${name} cannot be tested without paying for a picture.`
  } finally {
    await providers.stop()
  }
}

async function changeOf({ options }: Context): Promise<ConfigChange> {
  const { name, url, timeout, concurrency, model, enabled } = options
  const number = (value: string | undefined) => (value === undefined ? undefined : Number(value))
  return {
    name,
    baseUrl: url,
    timeoutSeconds: number(timeout),
    maxConcurrent: number(concurrency),
    defaultModel: model,
    enabled: enabled === undefined ? undefined : yesOrNo(enabled),
    key: options.key ? (await text(process.stdin)).trim() : undefined,
  }
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
  return error instanceof Error ? error.message : String(error)
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${explain(error)}\n`)
  return 1
})
