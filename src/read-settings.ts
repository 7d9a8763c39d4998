/** Reads the settings, and finds every mistake in them, also those that only show in several settings together. */
import { lookalikes } from './setting-names.ts'
import { isLoopback, quoteMistake, redisMistakes, unlessBlank, urlOf } from './setting-values.ts'
import { type Environment, roles, type SettingName, type Settings, settingNames, settingsSchema } from './settings.ts'

type Parsed = { settings: Settings } | { mistakes: readonly string[] }

/** Parses all settings, or returns every mistake in them, each with the name of its setting and its cure. */
export function parseSettings(environment: Environment): Parsed {
  const value = (name: string) => unlessBlank(environment[name])
  const given = Object.keys(environment).filter((name) => value(name) !== undefined)
  const quoted = new Map(
    settingNames.flatMap((name) => {
      const mistake = quoteMistake(value(name) ?? '')
      return mistake ? [[name, `${name} ${mistake}`]] : []
    }),
  )
  const parsed = settingsSchema.safeParse(environment)
  const issues = parsed.success ? [] : parsed.error.issues.filter(({ path }) => !quoted.has(String(path[0])))
  const mistakes = new Set([
    ...quoted.values(),
    ...issues.map((issue) => `${issue.path.join('.')} ${issue.message}`),
    ...combinedMistakes(value),
    ...lookalikes(given, settingNames),
  ])
  if (!parsed.success || mistakes.size > 0) return { mistakes: [...mistakes] }
  return { settings: parsed.data }
}

/** Settings that have no effect without another one. The default value is accepted without it. */
const useless = [
  ['DATABASE_DIRECT_URL', 'DATABASE_URL'],
  ['DATABASE_POOL', 'DATABASE_URL'],
  ['REDIS_CLUSTER', 'REDIS_URL'],
  ['REDIS_SENTINEL', 'REDIS_URL'],
  ['REDIS_PREFIX', 'REDIS_URL'],
  ['DISCORD_APP_ID', 'DISCORD_TOKEN'],
  ['DISCORD_PUBLIC_KEY', 'DISCORD_TOKEN'],
  ['SHARDS', 'DISCORD_TOKEN'],
  ['DISCORD_API_URL', 'DISCORD_TOKEN'],
  ['TELEGRAM_API_URL', 'TELEGRAM_TOKEN'],
  ['CF_API_URL', 'CF_API_TOKEN'],
  ['FLUX_NUM_STEPS', 'CF_API_TOKEN'],
  ['GEMINI_API_URL', 'GEMINI_API_KEY'],
  ['MIDJOURNEY_SECRET', 'MIDJOURNEY_URL'],
  ['JIMENG_API_URL', 'JIMENG_ACCESS_KEY'],
  ['KLING_API_URL', 'KLING_ACCESS_KEY'],
  ['COS_DOMAIN', 'COS_BUCKET'],
  ['S3_ENDPOINT', 'S3_BUCKET'],
] as const satisfies readonly (readonly [SettingName, SettingName])[]
const defaults: Environment = Object.fromEntries(
  Object.entries(settingsSchema.parse({})).map(([name, value]) => [name, String(value)]),
)

/** Mistakes that only show in several settings together. */
function combinedMistakes(value: (name: SettingName) => string | undefined): string[] {
  const mistakes: string[] = []
  const needs = (name: SettingName, others: readonly SettingName[]) => {
    for (const other of others) {
      if (value(name) !== undefined && value(other) === undefined)
        mistakes.push(`${other} must be set when ${name} is set`)
    }
  }
  mistakes.push(...redisMistakes(value))
  const cos = ['COS_SECRET_ID', 'COS_SECRET_KEY', 'COS_BUCKET', 'COS_REGION'] as const
  for (const name of cos) needs(name, cos)
  const s3 = ['S3_REGION', 'S3_BUCKET', 'S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'] as const
  for (const name of s3) needs(name, s3)
  const isSet = (name: SettingName) => value(name) !== undefined
  if (cos.some(isSet) && s3.some(isSet))
    mistakes.push(
      'COS_… and S3_… must not both be set: pictures are kept in one store. Remove the settings of the store that you do not use',
    )
  if (
    isSet('S3_BUCKET') &&
    value('S3_ENDPOINT')
      ?.trim()
      .replace(/\/+$/, '')
      .endsWith(`/${value('S3_BUCKET')?.trim()}`)
  )
    mistakes.push('S3_ENDPOINT must not end with the name of the bucket, which is in S3_BUCKET: remove it')
  const hosts = [
    value('HOST')?.trim() ?? '127.0.0.1',
    urlOf(value('PUBLIC_URL')?.trim() ?? '')?.hostname ?? 'localhost',
  ]
  if (value('ANONYMOUS_API') !== undefined && !hosts.every(isLoopback)) {
    mistakes.push(
      'ANONYMOUS_API must not be set unless HOST is 127.0.0.1 and PUBLIC_URL is unset or local: other machines could use it',
    )
  }
  needs('CF_API_TOKEN', ['CF_ACCOUNT_ID'])
  needs('CF_ACCOUNT_ID', ['CF_API_TOKEN'])
  needs('JIMENG_ACCESS_KEY', ['JIMENG_SECRET_KEY'])
  needs('JIMENG_SECRET_KEY', ['JIMENG_ACCESS_KEY'])
  needs('KLING_SECRET_KEY', ['KLING_ACCESS_KEY'])
  needs('TELEGRAM_WEBHOOK_SECRET', ['TELEGRAM_TOKEN', 'PUBLIC_URL'])
  const external = ['EXTERNAL_API_BASE', 'EXTERNAL_MODEL', 'EXTERNAL_API_KEY'] as const
  for (const name of external) needs(name, external)
  for (const [name, other] of useless) {
    const isUseless = value(name) !== undefined && value(other) === undefined && value(name) !== defaults[name]
    if (isUseless) mistakes.push(`${name} has no effect without ${other}: set ${other}, or remove ${name}`)
  }
  if (value('DATABASE_URL') === undefined) {
    const ownRoles = value('ROLES')
      ?.split(',')
      .map((role) => role.trim())
    if (ownRoles && roles.some((role) => !ownRoles.includes(role))) {
      mistakes.push(
        'DATABASE_URL must be set when ROLES leaves out a role: only one process can use the embedded database',
      )
    }
  } else if (value('SECRET_KEY') === undefined) {
    mistakes.push('SECRET_KEY must be set when DATABASE_URL is set; make one with: openssl rand -base64 32')
  }
  if (/^(true|1|on)$/.test(value('PROMPT_OPTIMIZATION') ?? '')) {
    needs('PROMPT_OPTIMIZATION', external)
  }
  return mistakes
}
