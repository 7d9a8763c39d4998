/** The text that an operator sees once everything has started: the address, what is in use, and how to change it. */
import { relative } from 'node:path'
import { signInToken } from './bots/web/access.ts'
import type { Config } from './config.ts'
import type { Core } from './core/core.ts'
import { listed } from './core/request/choose-model.ts'

interface Line {
  part: string
  state: string
  /** The setting that changes it, and to what. Absent: it is set, or there is none. */
  hint?: string
}

interface State {
  core: Core
  /** Chat → why it is not connected. */
  notReady: Readonly<Record<string, string | undefined>>
}

export function welcome(config: Config, { core, notReady }: State): string {
  const lines = linesFor(config, { core, notReady })
  const width = Math.max(...lines.filter(({ hint }) => hint).map(({ state }) => state.length))
  const table = lines.map(({ part, state, hint = '' }) =>
    `  ${part.padEnd(9)}  ${state.padEnd(width)}  ${hint}`.trimEnd(),
  )
  const link = `${config.publicUrl}/?token=${signInToken(core.secretKey)}`
  const page = config.roles.has('http')
    ? `\nThis link signs your browser in as administrator; keep it secret:\n  ${link}\n`
    : ''
  const where = config.roles.has('http') ? `: ${config.publicUrl}/` : ` (${[...config.roles].join(', ')})`
  const advice = lines.some(({ hint }) => hint) ? '\nSettings go into .env; .env.example explains them.\n' : ''
  return `\nfluxbot is ready${where}\n${page}\n${table.join('\n')}\n${advice}\n`
}

function linesFor(config: Config, { core, notReady }: State): readonly Line[] {
  const models = listed(core.models.all()).map(({ id }) => id)
  const listens = config.roles.has('bots')
  // two of them are built in
  const providers = [...new Set(core.providers.all().map(({ title }) => title))]
  return [
    config.databaseUrl
      ? { part: 'Database', state: 'Postgres' }
      : {
          part: 'Database',
          state: `embedded, in ${folderOf(config, 'db')}`,
          hint: 'DATABASE_URL: use a Postgres server instead',
        },
    config.redisUrl
      ? { part: 'Queue', state: core.queue.notReady() ?? 'Redis' }
      : { part: 'Queue', state: 'in the database', hint: 'REDIS_URL: use Redis instead' },
    picturesOf(config),
    {
      part: 'Providers',
      state: providers.join(', '),
      hint: providers.length > 1 ? undefined : 'FAL_KEY: draw with FLUX models on fal.ai',
    },
    { part: 'Models', state: models.join(', ') },
    config.discord
      ? { part: 'Discord', state: stateOf('discord', listens, notReady) }
      : { part: 'Discord', state: 'off', hint: 'DISCORD_TOKEN: connect a Discord bot' },
    config.telegram
      ? { part: 'Telegram', state: stateOf('telegram', listens, notReady) }
      : { part: 'Telegram', state: 'off', hint: 'TELEGRAM_TOKEN: connect a Telegram bot' },
    config.apiKey
      ? { part: 'API keys', state: 'API_KEY, and /apikey create in chats' }
      : { part: 'API keys', state: '/apikey create in chats', hint: 'API_KEY: set a key for yourself' },
  ]
}

function picturesOf(config: Config): Line {
  const { cos, s3 } = config
  if (cos) return { part: 'Pictures', state: `Tencent COS, ${cos.bucket}` }
  if (s3) return { part: 'Pictures', state: `${s3.endpoint ? new URL(s3.endpoint).host : 'Amazon S3'}, ${s3.bucket}` }
  const state = `files in ${folderOf(config, 'images')}`
  return { part: 'Pictures', state, hint: 'S3_BUCKET or COS_BUCKET: store them in a bucket instead' }
}

/** Each process posts to the chats; those with the role bots also receive what people write. */
function stateOf(name: string, listens: boolean, notReady: State['notReady']): string {
  if (!listens) return 'posts only; a process with the role bots listens'
  return notReady[name] === undefined ? 'connected' : `not connected yet (${notReady[name]}); still trying`
}

function folderOf({ dataDir }: Config, name: string): string {
  const folder = relative('.', dataDir) || '.'
  return `./${folder}/${name}`.replace('././', './').replace('./../', '../')
}
