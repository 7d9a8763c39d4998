/**
 * The environment (and `.env`) as one frozen object: the only reader of process.env. All mistakes are reported at once,
 * each by the name of its setting and with its cure. Values of secrets never appear in a message.
 */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { z } from 'zod'

export const roles = ['bots', 'worker', 'http'] as const
export type Role = (typeof roles)[number]

const blank = (value: unknown) => (typeof value === 'string' && value.trim() === '' ? undefined : value)
const optional = <T extends z.ZodType>(schema: T) => z.preprocess(blank, schema.optional())
const withDefault = <T extends z.ZodType>(schema: T, value: z.input<T>) =>
  z.preprocess((v) => blank(v) ?? value, schema)

const text = z.string().trim()
const httpUrl = text
  .refine((value) => /^https?:$/.test(urlOf(value)?.protocol ?? ''), 'must be an http:// or https:// address')
  .transform((value) => value.replace(/\/+$/, ''))
const whole = (min: number, max: number) =>
  z.coerce
    .number(`must be a whole number from ${min} to ${max}`)
    .pipe(
      z
        .number()
        .refine((n) => Number.isInteger(n) && n >= min && n <= max, `must be a whole number from ${min} to ${max}`),
    )
const snowflake = text.regex(/^\d{15,21}$/, 'must be the number that Discord shows, 15 to 21 digits')
const oneOf = <const T extends readonly string[]>(values: T) => z.enum(values, `must be one of: ${values.join(', ')}`)
const listOf = <T>(item: (value: string, context: z.RefinementCtx) => T) =>
  text.transform((value, context) =>
    value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map((part) => item(part, context)),
  )

const settings = z.object({
  DATABASE_URL: optional(text.regex(/^postgres(ql)?:\/\//, 'must start with postgres://')),
  REDIS_URL: optional(text.regex(/^rediss?:\/\//, 'must start with redis:// or rediss://')),
  DATA_DIR: withDefault(text, './data'),
  PORT: withDefault(whole(0, 65535), 8080),
  HOST: withDefault(text, '127.0.0.1'),
  PUBLIC_URL: optional(httpUrl),
  LOG_LEVEL: withDefault(oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent']), 'info'),
  ROLES: withDefault(
    listOf((part, context) => {
      const role = roles.find((each) => each === part)
      if (!role) context.addIssue(`must be some of: ${roles.join(', ')}`)
      return role ?? 'worker'
    }),
    roles.join(','),
  ),
  SECRET_KEY: optional(text.min(32, 'must have at least 32 characters; make one with: openssl rand -base64 32')),
  ADMIN_IDS: optional(
    listOf((part, context) => {
      if (!/^(discord:\d+|telegram:\d+|web:[\w*-]+)$/.test(part))
        context.addIssue('must look like discord:123,telegram:456')
      return part
    }),
  ),
  API_KEY: optional(text.min(16, 'must have at least 16 characters')),
  WELCOME_CREDITS: withDefault(whole(0, 1_000_000), 20),
  DAILY_CREDITS: withDefault(whole(0, 1_000_000), 5),
  DISCORD_TOKEN: optional(text),
  DISCORD_APP_ID: optional(snowflake),
  DISCORD_PUBLIC_KEY: optional(text.regex(/^[0-9a-f]{64}$/i, 'must be 64 hexadecimal digits')),
  DISCORD_API_URL: withDefault(httpUrl, 'https://discord.com/api'),
  TELEGRAM_TOKEN: optional(text.regex(/^\d+:[\w-]+$/, 'must look like 123456:ABC…, as @BotFather gives it')),
  TELEGRAM_API_URL: withDefault(httpUrl, 'https://api.telegram.org'),
  TELEGRAM_WEBHOOK_SECRET: optional(text.regex(/^[\w-]{1,256}$/, 'may have letters, digits, _ and - only')),
  FAL_KEY: optional(text),
  FAL_QUEUE_URL: withDefault(httpUrl, 'https://queue.fal.run'),
  CF_ACCOUNT_ID: optional(text.regex(/^[0-9a-f]{32}$/i, 'must be 32 hexadecimal digits')),
  CF_API_TOKEN: optional(text),
  CF_API_URL: withDefault(httpUrl, 'https://api.cloudflare.com/client/v4'),
  FLUX_NUM_STEPS: withDefault(whole(1, 8), 4),
  COMFYUI_URL: optional(
    listOf((part, context) => {
      if (!/^https?:$/.test(urlOf(part)?.protocol ?? '')) context.addIssue('must be http:// or https:// addresses')
      return part.replace(/\/+$/, '')
    }),
  ),
  PROVIDER_TIMEOUT_SECONDS: withDefault(whole(1, 3600), 300),
  PROVIDER_CONCURRENCY: withDefault(whole(1, 1000), 5),
  DOUBAO_API_KEY: optional(text),
  DOUBAO_API_URL: optional(httpUrl),
  QWEN_API_KEY: optional(text),
  QWEN_API_URL: optional(httpUrl),
  PROMPT_OPTIMIZATION: withDefault(oneOf(['true', 'false', '1', '0', 'on', 'off']), 'false'),
  EXTERNAL_API_BASE: optional(httpUrl),
  EXTERNAL_MODEL: optional(text),
  EXTERNAL_API_KEY: optional(text),
  COS_SECRET_ID: optional(text),
  COS_SECRET_KEY: optional(text),
  COS_BUCKET: optional(text.regex(/^[a-z0-9-]+-\d+$/, 'must look like name-1250000000')),
  COS_REGION: optional(text),
  COS_DOMAIN: optional(text),
  IMAGE_EXPIRATION: withDefault(whole(60, 604_800), 1800),
})

export const settingNames: readonly string[] = Object.keys(settings.shape)

export type Config = ReturnType<typeof readConfig>

/** Says all that is wrong, a line each. */
export class ConfigError extends Error {
  constructor(mistakes: readonly string[]) {
    super(`These settings must be mended before fluxbot can start:\n${mistakes.map((line) => `  ${line}`).join('\n')}`)
    this.name = 'ConfigError'
  }
}

/** Reads `.env` in the current folder, then the environment, which wins. Throws ConfigError. */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env, envFile = '.env'): Config {
  const fromFile = existsSync(envFile) ? parseEnv(readFileSync(envFile, 'utf8')) : {}
  return readConfig({ ...fromFile, ...environment })
}

/** Throws ConfigError. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>) {
  const parsed = settings.safeParse(environment)
  const each = parsed.success ? [] : parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`)
  const mistakes = [...new Set([...each, ...together((name) => blank(environment[name]) as string | undefined)])]
  if (!parsed.success || mistakes.length > 0) throw new ConfigError(mistakes)
  return Object.freeze({
    ...build(parsed.data),
    /** Without the role http a process answers only those who look after it, and only where a PORT is set for that. */
    listens: parsed.data.ROLES.includes('http') || blank(environment.PORT) !== undefined,
  })
}

/** What only shows when several settings are seen together. */
function together(value: (name: keyof typeof settings.shape) => string | undefined): string[] {
  const mistakes: string[] = []
  const needs = (name: keyof typeof settings.shape, others: readonly (keyof typeof settings.shape)[]) => {
    for (const other of others) {
      if (value(name) !== undefined && value(other) === undefined) mistakes.push(`${other} must be set when ${name} is`)
    }
  }
  const cos = ['COS_SECRET_ID', 'COS_SECRET_KEY', 'COS_BUCKET', 'COS_REGION'] as const
  for (const name of cos) needs(name, cos)
  needs('CF_API_TOKEN', ['CF_ACCOUNT_ID'])
  needs('CF_ACCOUNT_ID', ['CF_API_TOKEN'])
  needs('TELEGRAM_WEBHOOK_SECRET', ['TELEGRAM_TOKEN', 'PUBLIC_URL'])
  if (value('DATABASE_URL') === undefined) {
    const here = value('ROLES')
      ?.split(',')
      .map((role) => role.trim())
    if (here && roles.some((role) => !here.includes(role))) {
      mistakes.push('DATABASE_URL must be set when ROLES are split: the embedded database serves one process')
    }
  } else if (value('SECRET_KEY') === undefined) {
    mistakes.push('SECRET_KEY must be set when DATABASE_URL is; make one with: openssl rand -base64 32')
  }
  if (/^(true|1|on)$/.test(value('PROMPT_OPTIMIZATION') ?? '')) {
    needs('PROMPT_OPTIMIZATION', ['EXTERNAL_API_BASE', 'EXTERNAL_MODEL', 'EXTERNAL_API_KEY'])
  }
  return mistakes
}

type Settings = z.output<typeof settings>

function build(s: Settings) {
  const defaults = { timeoutMs: s.PROVIDER_TIMEOUT_SECONDS * 1000, concurrency: s.PROVIDER_CONCURRENCY }
  const publicUrl = s.PUBLIC_URL ?? `http://localhost:${s.PORT}`
  const reachable = s.PUBLIC_URL !== undefined && !isPrivate(urlOf(publicUrl)?.hostname ?? '')
  const local = isLoopback(s.HOST) && isLoopback(urlOf(publicUrl)?.hostname ?? '')
  return {
    databaseUrl: s.DATABASE_URL,
    redisUrl: s.REDIS_URL,
    dataDir: resolve(s.DATA_DIR),
    port: s.PORT,
    host: s.HOST,
    publicUrl,
    /** Only this machine reaches the HTTP side. */
    local,
    logLevel: s.LOG_LEVEL,
    roles: new Set<Role>(s.ROLES),
    secretKey: s.SECRET_KEY,
    /** With nothing said and nobody but this machine to reach it, whoever opens the playground is the operator. */
    adminIds: new Set(s.ADMIN_IDS ?? (local ? ['web:*'] : [])),
    apiKey: s.API_KEY,
    welcomeCredits: s.WELCOME_CREDITS,
    discord:
      s.DISCORD_TOKEN === undefined
        ? undefined
        : { token: s.DISCORD_TOKEN, applicationId: s.DISCORD_APP_ID, apiUrl: s.DISCORD_API_URL },
    telegram:
      s.TELEGRAM_TOKEN === undefined
        ? undefined
        : { token: s.TELEGRAM_TOKEN, apiUrl: s.TELEGRAM_API_URL, webhookSecret: s.TELEGRAM_WEBHOOK_SECRET },
    /** Whether `publicUrl` can be opened from outside this machine and its network. */
    reachable,
    /** Whether a service on this machine may call us at `publicUrl`: somebody has said that this is where we are. */
    neighbours: s.PUBLIC_URL !== undefined,
    /** Where a stored provider configuration says nothing. */
    providerDefaults: defaults,
    /** Provider → how it is reached when nothing is stored. Absent: it is not set up here. */
    providers: providersOf(s, defaults),
    enhancer:
      s.EXTERNAL_API_BASE && s.EXTERNAL_MODEL && s.EXTERNAL_API_KEY
        ? { baseUrl: s.EXTERNAL_API_BASE, model: s.EXTERNAL_MODEL, key: s.EXTERNAL_API_KEY }
        : undefined,
    enhanceByDefault: /^(true|1|on)$/.test(s.PROMPT_OPTIMIZATION),
    cos:
      s.COS_SECRET_ID && s.COS_SECRET_KEY && s.COS_BUCKET && s.COS_REGION
        ? {
            secretId: s.COS_SECRET_ID,
            secretKey: s.COS_SECRET_KEY,
            bucket: s.COS_BUCKET,
            region: s.COS_REGION,
            domain: s.COS_DOMAIN,
            /** Whether links to it can be opened from outside. */
            reachable: s.COS_DOMAIN === undefined || !isPrivate(hostOf(s.COS_DOMAIN)),
          }
        : undefined,
    imageExpirationSeconds: s.IMAGE_EXPIRATION,
    /** To be kept out of logs. */
    secrets: [
      s.SECRET_KEY,
      s.API_KEY,
      s.DISCORD_TOKEN,
      s.TELEGRAM_TOKEN,
      s.TELEGRAM_WEBHOOK_SECRET,
      s.FAL_KEY,
      s.CF_API_TOKEN,
      s.DOUBAO_API_KEY,
      s.QWEN_API_KEY,
      s.EXTERNAL_API_KEY,
      // the address of a local service may carry a password
      ...(s.COMFYUI_URL ?? []).map((url) => urlOf(url)?.password),
      s.COS_SECRET_ID,
      s.COS_SECRET_KEY,
      urlOf(s.DATABASE_URL ?? '')?.password,
      urlOf(s.REDIS_URL ?? '')?.password,
    ].filter((secret): secret is string => secret !== undefined && secret !== ''),
  }
}

interface Defaults {
  timeoutMs: number
  concurrency: number
}

function providersOf(s: Settings, defaults: Defaults) {
  const settings = new Map<string, Defaults & { baseUrl: string; key?: string; steps?: number }>()
  settings.set('sketch', { ...defaults, baseUrl: 'sketch:' })
  if (s.FAL_KEY) settings.set('fal', { ...defaults, baseUrl: s.FAL_QUEUE_URL, key: s.FAL_KEY })
  if (s.CF_API_TOKEN) {
    // the prefix of an AI gateway names the account already
    const baseUrl = s.CF_API_URL.includes('/workers-ai') ? s.CF_API_URL : `${s.CF_API_URL}/accounts/${s.CF_ACCOUNT_ID}`
    settings.set('cloudflare', { ...defaults, baseUrl, key: s.CF_API_TOKEN, steps: s.FLUX_NUM_STEPS })
  }
  if (s.COMFYUI_URL?.length) settings.set('comfyui', { ...defaults, baseUrl: s.COMFYUI_URL.join(',') })
  const { DOUBAO_API_URL = 'https://ark.cn-beijing.volces.com/api/v3' } = s
  if (s.DOUBAO_API_KEY) settings.set('ark', { ...defaults, baseUrl: DOUBAO_API_URL, key: s.DOUBAO_API_KEY })
  const { QWEN_API_URL = 'https://dashscope.aliyuncs.com/api/v1' } = s
  if (s.QWEN_API_KEY) settings.set('dashscope', { ...defaults, baseUrl: QWEN_API_URL, key: s.QWEN_API_KEY })
  return settings
}

/** By its name or literal only: whether it really answers is for the other side to find out. */
function hostOf(domain: string): string {
  return urlOf(domain.includes('://') ? domain : `https://${domain}`)?.hostname ?? 'a template.example'
}

function isPrivate(host: string): boolean {
  const literal = /^\[|^\d+(\.\d+){3}$/.test(host)
  const inside =
    /^(\[f[cd]|\[fe[89ab]|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|0\.)/
  return (
    isLoopback(host) || (literal ? inside.test(host) : !host.includes('.') || /\.(local|internal|lan|test)$/.test(host))
  )
}

export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host)
}

function urlOf(value: string): URL | undefined {
  return URL.canParse(value) ? new URL(value) : undefined
}
