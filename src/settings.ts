/** The settings that the environment may hold: their names, forms and defaults. */
import { z } from 'zod'
import { readAddress } from './db/address.ts'
import {
  baseMistake,
  endpointMistake,
  hostMistake,
  publicUrlMistake,
  redisMistake,
  serverMistake,
  unlessBlank,
} from './setting-values.ts'

export const roles = ['bots', 'worker', 'http'] as const
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

/** 'midjourney=0.1, upscale@fal=0.02': US dollars a picture, by model, or by model and provider. */
const costs = listOf((part, context): [string, number] => {
  const [, name = '', dollars = ''] = /^([\w.-]+(?:@[a-z]+)?)\s*=\s*(\d{1,4}(?:\.\d{1,6})?)$/.exec(part) ?? []
  if (dollars === '') context.addIssue('must look like midjourney=0.1, upscale@fal=0.02: US dollars for one picture')
  return [name, Number(dollars)]
}).transform((entries): ReadonlyMap<string, number> => new Map(entries))

const postgresMistake = (value: string): string | undefined => {
  if (!/^postgres(ql)?:\/\//.test(value)) return 'must start with postgres://'
  const mistake = serverMistake(value)
  if (mistake) return mistake
  const address = readAddress(value)
  return 'mistake' in address ? address.mistake : undefined
}
const embedded = 'or be left out: then everything is kept in DATA_DIR'

export const settingsSchema = z.object({
  DATABASE_URL: optional(without((value) => postgresMistake(value)?.replace(/(^must start .*)/, `$1, ${embedded}`))),
  DATABASE_DIRECT_URL: optional(without(postgresMistake)),
  DATABASE_POOL: withDefault(whole(1, 500), 10),
  REDIS_URL: optional(without(redisMistake)),
  REDIS_CLUSTER: withDefault(oneOf(['true', 'false', '1', '0', 'on', 'off']), 'false'),
  REDIS_SENTINEL: optional(text.regex(/^[\w.-]+$/, 'must be the name under which the sentinels know the primary')),
  REDIS_PREFIX: withDefault(
    text.regex(
      /^[\w.-]{1,50}$/,
      'must have 1 to 50 letters, digits, _, . and -; the hash tags of a cluster are added by fluxbot',
    ),
    'fluxbot',
  ),
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
  // as far as /limits lets them go
  REQUESTS_IN_FLIGHT: withDefault(whole(1, 1_000), 3),
  REQUESTS_PER_MINUTE: withDefault(whole(1, 600), 20),
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
  MODEL_COSTS: optional(costs),
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
  // other settings of OpenTelemetry are read by its library
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(httpUrl),
  OTEL_EXPORTER_OTLP_HEADERS: optional(text),
  OTEL_EXPORTER_OTLP_PROTOCOL: withDefault(
    z.enum(
      ['http/protobuf', 'http/json'],
      'must be http/protobuf or http/json, with the HTTP port of the collector, which is usually 4318: traces are not sent by gRPC',
    ),
    'http/protobuf',
  ),
  OTEL_SDK_DISABLED: withDefault(text, 'false'),
})

export const settingNames: readonly string[] = Object.keys(settingsSchema.shape)

export type SettingName = keyof typeof settingsSchema.shape
export type Settings = z.output<typeof settingsSchema>
