/** What an operator reads when everything is up: where to look, what is embedded, what to set to go further. */
import { relative } from 'node:path'
import type { Config } from './config.ts'
import type { Core } from './core/core.ts'
import { listed } from './core/request/choose-model.ts'

export function welcome(config: Config, core: Core): string {
  const folder = relative('.', config.dataDir) || '.'
  const at = (name: string) => `./${folder}/${name}`.replace('././', './').replace('./../', '../')
  const lines: [string, string, string][] = [
    [
      'Database',
      config.databaseUrl ? 'Postgres' : `embedded, in ${at('db')}`,
      config.databaseUrl ? '' : 'DATABASE_URL',
    ],
    ['Queue', config.redisUrl ? 'Redis' : 'in the database', config.redisUrl ? '' : 'REDIS_URL'],
    ['Pictures', config.cos ? `COS, ${config.cos.bucket}` : `files in ${at('images')}`, config.cos ? '' : 'COS_BUCKET'],
    [
      'Providers',
      core.providers
        .all()
        .map(({ title }) => title)
        .join(', '),
      config.providers.size > 1 ? '' : 'FAL_KEY',
    ],
    [
      'Models',
      listed(core.models.all())
        .map((model) => model.id)
        .join(', '),
      '',
    ],
    ['Discord', config.discord ? 'connected' : 'off', config.discord ? '' : 'DISCORD_TOKEN'],
    ['Telegram', config.telegram ? 'connected' : 'off', config.telegram ? '' : 'TELEGRAM_TOKEN'],
    ['API', config.apiKey ? 'with API_KEY, and /apikey in chats' : '/apikey in chats', config.apiKey ? '' : 'API_KEY'],
  ]
  const shown = lines.map(([part, state, set]) =>
    `  ${part.padEnd(9)} ${state.padEnd(28)} ${set && `set ${set} for more`}`.trimEnd(),
  )
  const where = config.roles.has('http') ? `: ${config.publicUrl}/` : ` (${[...config.roles].join(', ')})`
  return `\nfluxbot is ready${where}\n${shown.join('\n')}\n\n`
}
