/** The settings that the environment may hold: their names, forms and defaults, and the mistakes they may contain. */
import { z } from 'zod'
import { readAddress } from './db/address.ts'
import { lookalikes, withoutEffectYet } from './setting-names.ts'
import {
  baseMistake,
  endpointMistake,
  hostMistake,
  isLoopback,
  publicUrlMistake,
  quoteMistake,
  serverMistake,
} from './setting-values.ts'

const roles = ['bots', 'worker', 'http'] as const
/** Families of the API. */
const families: readonly string[] = ['openai', 'flux', 'comfyui', 'webui']
export type Environment = Readonly<Record<string, string | undefined>>
export type Role = (typeof roles)[number]

const blankAsAbsent = (value: unknown) => (typeof value === 'string' ? unlessBlank(value) : value)
const optional = <T extends z.ZodType>(schema: T) => z.preprocess(blankAsAbsent, schema.optional())
const withDefault = <T extends z.ZodType>(schema: T, value: z.input<T>) =>
  z.preprocess((given) => blankAsAbsent(given) ?? value, schema)

const text = z.string().trim()
/** A text in which `find` finds no mistake. */
const without = (find: (value: string) => string | undefined) =>
  text.superRefine((value, context) => {
    const mistake = find(value)
    if (mistake !== undefined) context.addIssue(mistake)
  })
const httpUrl = without(baseMistake).transform((value) => value.replace(/\/+$/, ''))
/** In the form in which browsers send it. */
const publicUrl = without(publicUrlMistake).transform((value) =>
  URL.canParse(value) ? new URL(value).href.replace(/\/+$/, '') : value,
)
/** Sent in a header. */
const key = text.regex(/^[!-~]+$/, 'may contain only letters, digits and punctuation, without spaces')
const whole = (min: number, max: number) =>
  z.coerce
    .number(`must be a whole number from ${min} to ${max}`)
    .pipe(
      z
        .number()
        .refine((n) => Number.isInteger(n) && n >= min && n <= max, `must be a whole number from ${min} to ${max}`),
    )
const snowflake = text.regex(
  /^\d{15,21}$/,
  'must be the application id from the Discord developer portal, 15 to 21 digits',
)
/** '0-3/16' or '2/16': the shards of this process, out of all. */
const shards = text.transform((value, context) => {
  const [, first = '', last = first, count = ''] = /^(\d{1,5})(?:-(\d{1,5}))?\/(\d{1,5})$/.exec(value) ?? []
  const range = { first: Number(first), last: Number(last), count: Number(count) }
  const isRange = count !== '' && range.first <= range.last && range.last < range.count
  if (!isRange)
    context.addIssue('must look like 0-3/16: the first and the last shard of this process, and the number of all')
  return range
})
const oneOf = <const T extends readonly string[]>(values: T) => z.enum(values, `must be one of: ${values.join(', ')}`)
const listOf = <T>(item: (value: string, context: z.RefinementCtx) => T) =>
  text.transform((value, context) =>
    value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map((part) => item(part, context)),
  )

const postgresMistake = (value: string): string | undefined => {
  if (!/^postgres(ql)?:\/\//.test(value)) return 'must start with postgres://'
  const mistake = serverMistake(value)
  if (mistake) return mistake
  const address = readAddress(value)
  return 'mistake' in address ? address.mistake : undefined
}
const embedded = 'or be left out: then everything is kept in DATA_DIR'

const settingsSchema = z.object({
  DATABASE_URL: optional(without((value) => postgresMistake(value)?.replace(/(^must start .*)/, `$1, ${embedded}`))),
  DATABASE_DIRECT_URL: optional(without(postgresMistake)),
  DATABASE_POOL: withDefault(whole(1, 500), 10),
  REDIS_URL: optional(without(redisMistake)),
  DATA_DIR: withDefault(
    text.regex(/^[^~\0]/, 'must be a whole path: ~ means your home folder in a shell only'),
    './data',
  ),
  PORT: withDefault(whole(0, 65535), 8080),
  HOST: withDefault(
    without(hostMistake).transform((value) => value.replace(/^\[|\]$/g, '')),
    '127.0.0.1',
  ),
  PUBLIC_URL: optional(publicUrl),
  LOG_LEVEL: withDefault(oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent']), 'info'),
  ROLES: withDefault(
    listOf((part, context) => {
      const role = roles.find((each) => each === part)
      if (!role) context.addIssue(`must be a comma-separated list of: ${roles.join(', ')}`)
      return role ?? 'worker'
    }).refine((list) => list.length > 0, `must be a comma-separated list of: ${roles.join(', ')}`),
    roles.join(','),
  ),
  SECRET_KEY: optional(text.min(32, 'must have at least 32 characters; make one with: openssl rand -base64 32')),
  ADMIN_IDS: optional(
    listOf((part, context) => {
      if (!/^(discord|telegram):\d+$/.test(part)) context.addIssue('must look like discord:123,telegram:456')
      return part
    }),
  ),
  ANONYMOUS_API: withDefault(
    listOf((part, context) => {
      if (!families.includes(part)) context.addIssue(`must be a comma-separated list of: ${families.join(', ')}`)
      return part
    }),
    '',
  ),
  API_KEY: optional(key.min(16, 'must have at least 16 characters')),
  WELCOME_CREDITS: withDefault(whole(0, 1_000_000), 20),
  DAILY_CREDITS: withDefault(whole(0, 100_000), 5),
  ROLE_CREDITS: withDefault(whole(0, 100_000), 20),
  REFERRAL_CREDITS: withDefault(whole(0, 1_000_000), 10),
  SHARDS: optional(shards),
  DISCORD_TOKEN: optional(key),
  DISCORD_APP_ID: optional(snowflake),
  DISCORD_PUBLIC_KEY: optional(text.regex(/^[0-9a-f]{64}$/i, 'must be 64 hexadecimal digits')),
  DISCORD_API_URL: withDefault(httpUrl, 'https://discord.com/api'),
  TELEGRAM_TOKEN: optional(text.regex(/^\d+:[\w-]+$/, 'must be the token from @BotFather, such as 123456:ABC…')),
  TELEGRAM_API_URL: withDefault(httpUrl, 'https://api.telegram.org'),
  TELEGRAM_WEBHOOK_SECRET: optional(text.regex(/^[\w-]{1,256}$/, 'may contain only letters, digits, _ and -')),
  FAL_KEY: optional(key),
  FAL_QUEUE_URL: withDefault(httpUrl, 'https://queue.fal.run'),
  CF_ACCOUNT_ID: optional(text.regex(/^[0-9a-f]{32}$/i, 'must be 32 hexadecimal digits')),
  CF_API_TOKEN: optional(key),
  CF_API_URL: withDefault(httpUrl, 'https://api.cloudflare.com/client/v4'),
  FLUX_NUM_STEPS: withDefault(whole(1, 8), 4),
  COMFYUI_URL: optional(
    listOf((part, context) => {
      const mistake = baseMistake(part)
      if (mistake) context.addIssue(`${mistake}; separate several addresses by commas`)
      return part.replace(/\/+$/, '')
    }),
  ),
  PROVIDER_TIMEOUT_SECONDS: withDefault(whole(1, 3600), 300),
  PROVIDER_CONCURRENCY: withDefault(whole(1, 1000), 5),
  DOUBAO_API_KEY: optional(key),
  DOUBAO_API_URL: withDefault(httpUrl, 'https://ark.cn-beijing.volces.com/api/v3'),
  QWEN_API_KEY: optional(key),
  QWEN_API_URL: withDefault(httpUrl, 'https://dashscope.aliyuncs.com/api/v1'),
  OPENAI_IMAGE_KEY: optional(key),
  OPENAI_IMAGE_BASE: withDefault(httpUrl, 'https://api.openai.com/v1'),
  GEMINI_API_KEY: optional(key),
  GEMINI_API_URL: withDefault(httpUrl, 'https://generativelanguage.googleapis.com/v1beta'),
  MIDJOURNEY_URL: optional(httpUrl),
  MIDJOURNEY_SECRET: optional(key),
  JIMENG_ACCESS_KEY: optional(key),
  JIMENG_SECRET_KEY: optional(key),
  JIMENG_API_URL: withDefault(httpUrl, 'https://visual.volcengineapi.com'),
  KLING_ACCESS_KEY: optional(key),
  KLING_SECRET_KEY: optional(key),
  KLING_API_URL: withDefault(httpUrl, 'https://api-singapore.klingai.com'),
  PROMPT_OPTIMIZATION: withDefault(oneOf(['true', 'false', '1', '0', 'on', 'off']), 'false'),
  EXTERNAL_API_BASE: optional(httpUrl),
  EXTERNAL_MODEL: optional(text),
  EXTERNAL_API_KEY: optional(key),
  COS_SECRET_ID: optional(key),
  COS_SECRET_KEY: optional(key),
  COS_BUCKET: optional(text.regex(/^[a-z0-9-]+-\d+$/, 'must look like name-1250000000')),
  COS_REGION: optional(text),
  COS_DOMAIN: optional(text),
  S3_ENDPOINT: optional(without(endpointMistake).transform((value) => value.replace(/\/+$/, ''))),
  S3_REGION: optional(
    text.regex(
      /^[a-z0-9-]+$/,
      'must be the region of the bucket, such as eu-central-1; for R2 auto, for MinIO us-east-1',
    ),
  ),
  S3_BUCKET: optional(
    text.regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must have 3 to 63 small letters, digits, dots and hyphens'),
  ),
  S3_ACCESS_KEY_ID: optional(key),
  S3_SECRET_ACCESS_KEY: optional(key),
  IMAGE_EXPIRATION: withDefault(whole(60, 604_800), 1800),
  IMAGE_RETENTION_DAYS: optional(whole(1, 36_500)),
})

export const settingNames: readonly string[] = Object.keys(settingsSchema.shape)

type SettingName = keyof typeof settingsSchema.shape
export type Settings = z.output<typeof settingsSchema>

/** `warnings`: names of settings that have no effect yet. */
type Parsed = { settings: Settings; warnings: readonly string[] } | { mistakes: readonly string[] }

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
  return { settings: parsed.data, warnings: withoutEffectYet(given, settingNames) }
}

/** undefined for a blank value, which counts as not set. */
export function unlessBlank(value: string | undefined): string | undefined {
  return value?.trim() === '' ? undefined : value
}

function redisMistake(value: string): string | undefined {
  if (!/^rediss?:\/\//.test(value)) return 'must start with redis:// or rediss://'
  const mistake = serverMistake(value)
  if (mistake) return mistake
  const { pathname } = new URL(value)
  return /^(\/\d*)?$/.test(pathname)
    ? undefined
    : 'must end with the number of a database, such as /0, or with the port'
}

export function urlOf(value: string): URL | undefined {
  return URL.canParse(value) ? new URL(value) : undefined
}

/** Settings that have no effect without another one. The default value is accepted without it. */
const useless = [
  ['DATABASE_DIRECT_URL', 'DATABASE_URL'],
  ['DATABASE_POOL', 'DATABASE_URL'],
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
  const cos = ['COS_SECRET_ID', 'COS_SECRET_KEY', 'COS_BUCKET', 'COS_REGION'] as const
  for (const name of cos) needs(name, cos)
  const s3 = ['S3_REGION', 'S3_BUCKET', 'S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'] as const
  for (const name of s3) needs(name, s3)
  const isSet = (name: SettingName) => value(name) !== undefined
  if (cos.some(isSet) && s3.some(isSet))
    mistakes.push('COS_… and S3_… must not both be set: pictures are in one store. Remove the settings of the other')
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
