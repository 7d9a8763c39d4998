/**
 * `npm run providers -- …`: stored provider configurations, workflow packs and the enhancer's instruction, from a terminal.
 * Running processes notice within seconds. Keys are read from standard input, never from the command line, where others
 * on the machine could read them.
 */
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { sql } from 'drizzle-orm'
import { loadConfig } from '../config.ts'
import { AppError, type OptionNames, spelled } from '../core/errors.ts'
import { instructionFact } from '../core/generation/enhance.ts'
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
import { type Database, openDatabase } from '../db/db.ts'
import { readFact, saveFact } from '../db/facts.ts'
import { wordsFor } from '../locales/index.ts'
import { createLog } from '../log.ts'
import { readPack } from '../models/parts/packs.ts'
import { providerKinds } from '../providers/index.ts'
import { secretKey } from '../storage/secret-key.ts'

const usage = `npm run providers -- <what>

  list                               what is stored
  add <provider> [options] [< key]   ${providerKinds.map(({ name }) => name).join(', ')}
  change <id> [options] [< key]
  activate <id> | remove <id>
  test <id or provider>              whether address and key work; costs nothing
  reseal < old-secret-key            after SECRET_KEY was changed
  workflows | workflow-add <file> | workflow-remove <id>
  instruction | instruction-set <file> | instruction-reset

  options: --name text --url address --timeout seconds --concurrency n --model id --enabled yes|no --key (read it from standard input)
`

interface Tool {
  database: Database
  secretKey: Buffer
  options: Options
  first: string
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
  const [what = '', first = ''] = positionals
  const action = Object.hasOwn(actions, what) ? actions[what] : undefined
  if (!action) {
    process.stderr.write(usage)
    return 2
  }
  const config = loadConfig()
  const database = await openDatabase({ url: config.databaseUrl, dataDir: config.dataDir })
  try {
    const key = await secretKey(config.secretKey, config.dataDir)
    process.stdout.write(`${await action({ database, secretKey: key, options, first })}\n`)
    return 0
  } finally {
    await database.close()
  }
}

const actions: Readonly<Record<string, (tool: Tool) => Promise<string>>> = {
  list: async (tool) => {
    const configs = await listConfigs(tool)
    if (configs.length === 0) return 'Nothing is stored: providers come from the environment.'
    return configs
      .map(({ id, provider, name, keyEnd, active, enabled, baseUrl }) =>
        [id, provider, name, keyEnd ? `key …${keyEnd}` : 'no key', state(active, enabled), baseUrl ?? ''].join('  '),
      )
      .join('\n')
  },
  add: async (tool) => {
    if (!providerKinds.some(({ name }) => name === tool.first)) throw new Error(usage)
    return `Stored as ${await addConfig(tool, tool.first, await changeOf(tool))}`
  },
  change: async (tool) => {
    await changeConfig(tool, tool.first, await changeOf(tool))
    return 'Changed.'
  },
  activate: async (tool) => {
    await changeConfig(tool, tool.first, { active: true })
    return 'Active.'
  },
  remove: async (tool) => {
    await removeConfig(tool, tool.first)
    return 'Removed.'
  },
  test,
  reseal: async (tool) =>
    `${await resealConfigs(tool, Buffer.from((await text(process.stdin)).trim()))} keys sealed anew.`,
  workflows: async ({ database }) => {
    const rows = await database.rows<{ id: string }>(sql`select id from workflow_packs order by id`)
    return rows.map(({ id }) => id).join('\n') || 'None is stored; files in DATA_DIR/workflows count as well.'
  },
  'workflow-add': async ({ database, first }) => {
    const body = await readFile(first, 'utf8')
    const { id } = readPack(body)
    await database.rows(sql`
      insert into workflow_packs (id, body) values (${id}, ${body}) on conflict (id) do update set body = excluded.body`)
    return `Stored: the model ${id}.`
  },
  'workflow-remove': async ({ database, first }) => {
    const gone = await database.rows(sql`delete from workflow_packs where id = ${first} returning id`)
    return gone.length > 0 ? 'Removed.' : `There is no workflow "${first}".`
  },
  instruction: async ({ database }) => (await readFact(database, instructionFact)) ?? 'The built-in one is in use.',
  'instruction-set': async ({ database, first }) => {
    await saveFact(database, instructionFact, (await readFile(first, 'utf8')).trim())
    return 'Stored; it counts from the next prompt on.'
  },
  'instruction-reset': async ({ database }) => {
    await database.rows(sql`delete from facts where name = ${instructionFact}`)
    return 'The built-in one is in use again.'
  },
}

async function test(tool: Tool): Promise<string> {
  const config = loadConfig()
  const log = createLog('silent')
  const providers = await keepProviders({
    ...tool,
    kinds: providerKinds,
    fallback: config.providers,
    defaults: config.providerDefaults,
    context: () => ({ log }),
    log,
  })
  try {
    const stored = (await openConfigs(tool)).find((each) => each.id === tool.first)
    const name = stored?.provider ?? tool.first
    const settings = stored ? providers.settingsOf(stored) : providers.get(name)?.settings
    if (!settings) return `${name} is not set up: it lacks an address or a key.`
    return (await probe(providers, name, settings)) === 'works'
      ? `${name} works.`
      : `${name} cannot be tested without paying for a picture.`
  } finally {
    await providers.stop()
  }
}

async function changeOf({ options }: Tool): Promise<ConfigChange> {
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
