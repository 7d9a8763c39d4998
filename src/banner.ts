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

export function welcome(config: Config, core: Core): string {
  const lines = linesFor(config, core)
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

function linesFor(config: Config, core: Core): readonly Line[] {
  const models = listed(core.models.all()).map(({ id }) => id)
  const providers = core.providers.all().map(({ title }) => title)
  return [
    config.databaseUrl
      ? { part: 'Database', state: 'Postgres' }
      : {
          part: 'Database',
          state: `embedded, in ${folderOf(config, 'db')}`,
          hint: 'DATABASE_URL: use a Postgres server instead',
        },
    config.redisUrl
      ? { part: 'Queue', state: 'Redis' }
      : { part: 'Queue', state: 'in the database', hint: 'REDIS_URL: use Redis instead' },
    config.cos
      ? { part: 'Pictures', state: `Tencent COS, ${config.cos.bucket}` }
      : {
          part: 'Pictures',
          state: `files in ${folderOf(config, 'images')}`,
          hint: 'COS_BUCKET: store them in Tencent COS instead',
        },
    {
      part: 'Providers',
      state: providers.join(', '),
      hint: config.providers.size > 1 ? undefined : 'FAL_KEY: draw with FLUX models on fal.ai',
    },
    { part: 'Models', state: models.join(', ') },
    config.discord
      ? { part: 'Discord', state: 'connected' }
      : { part: 'Discord', state: 'off', hint: 'DISCORD_TOKEN: connect a Discord bot' },
    config.telegram
      ? { part: 'Telegram', state: 'connected' }
      : { part: 'Telegram', state: 'off', hint: 'TELEGRAM_TOKEN: connect a Telegram bot' },
    config.apiKey
      ? { part: 'API keys', state: 'API_KEY, and /apikey in chats' }
      : { part: 'API keys', state: '/apikey in chats', hint: 'API_KEY: set a key for yourself' },
  ]
}

function folderOf({ dataDir }: Config, name: string): string {
  const folder = relative('.', dataDir) || '.'
  return `./${folder}/${name}`.replace('././', './').replace('./../', '../')
}
