/**
 * Turns the environment and `.env` into one frozen object. No other file reads process.env. Reports all mistakes at
 * once and never shows the value of a secret.
 */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { readAddress } from './db/address.ts'
import { parseSettings } from './read-settings.ts'
import { isLoopback, unlessBlank, urlOf } from './setting-values.ts'
import { type Environment, type Role, type Settings, settingNames } from './settings.ts'

export type Config = ReturnType<typeof readConfig>

/** Lists all mistakes, one per line. */
export class ConfigError extends Error {
  constructor(mistakes: readonly string[]) {
    super(`Fix these settings before starting fluxbot:\n${mistakes.map((line) => `  ${line}`).join('\n')}`)
    this.name = 'ConfigError'
  }
}

/**
 * Reads `.env` in the current folder, then the environment, which wins. What `.env` says about OpenTelemetry is added to the
 * environment, where its library reads it. Throws ConfigError.
 */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env, envFile = '.env'): Config {
  const text = existsSync(envFile) ? readText(envFile) : ''
  const isOverridden = (name: string) => unlessBlank(environment[name]) !== undefined
  const cut = cutNames(text).filter((name) => !isOverridden(name))
  const inFile = parseEnv(text)
  for (const [name, value] of Object.entries(inFile))
    if (name.startsWith('OTEL_') && !isOverridden(name)) environment[name] = value
  const mistakes = cut.map((name) => `${name} is cut off at # in ${envFile}: put quotes around its value`)
  if (inFile.NODE_EXTRA_CA_CERTS && !isOverridden('NODE_EXTRA_CA_CERTS'))
    mistakes.push(`NODE_EXTRA_CA_CERTS has no effect in ${envFile}: set it in the environment of the process`)
  return readConfig({ ...inFile, ...environment }, mistakes)
}

/** Windows saves files with a byte order mark, or as UTF-16. */
function readText(path: string): string {
  try {
    const bytes = readFileSync(path)
    const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe
    return bytes.toString(isUtf16 ? 'utf16le' : 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    throw new ConfigError([`${path} cannot be read: ${(error as Error).message}`])
  }
}

/** In a value without quotes, # starts a comment. After a space that is meant; inside a password it is not. */
function cutNames(text: string): string[] {
  const lines = text.matchAll(/^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=[ \t]*[^\s#'"`][^\n#]*#/gm)
  return [...lines].flatMap(([line, name = '']) => (settingNames.includes(name) && !/\s#$/.test(line) ? [name] : []))
}

/** `found`: mistakes that the caller has found already. Throws ConfigError. */
export function readConfig(environment: Environment, found: readonly string[] = []) {
  const parsed = parseSettings(environment)
  if ('mistakes' in parsed) throw new ConfigError([...found, ...parsed.mistakes])
  if (found.length > 0) throw new ConfigError(found)
  return Object.freeze({
    ...build(parsed.settings),
    /** A process without the role http serves only health checks and metrics, and only if PORT is set. */
    listens: parsed.settings.ROLES.includes('http') || unlessBlank(environment.PORT) !== undefined,
  })
}

function build(settings: Settings) {
  const defaults = { timeoutMs: settings.PROVIDER_TIMEOUT_SECONDS * 1000, concurrency: settings.PROVIDER_CONCURRENCY }
  const publicUrl = settings.PUBLIC_URL ?? `http://localhost:${settings.PORT}`
  const reachable = settings.PUBLIC_URL !== undefined && !isPrivate(urlOf(publicUrl)?.hostname ?? '')
  return {
    databaseUrl: settings.DATABASE_URL,
    /** Where sessions are kept, for migrations, LISTEN and the queue. */
    databaseDirectUrl: settings.DATABASE_DIRECT_URL,
    /** Most connections of this process for statements. */
    databasePool: settings.DATABASE_POOL,
    redisUrl: settings.REDIS_URL,
    /** How `redisUrl` is to be understood. */
    redisCluster: isOn(settings.REDIS_CLUSTER),
    redisSentinel: settings.REDIS_SENTINEL,
    redisPrefix: settings.REDIS_PREFIX,
    dataDir: resolve(settings.DATA_DIR),
    /** Whether anything is written there: pictures, or the embedded database. */
    usesDataDir: settings.DATABASE_URL === undefined || (settings.COS_BUCKET ?? settings.S3_BUCKET) === undefined,
    port: settings.PORT,
    host: settings.HOST,
    publicUrl,
    logLevel: settings.LOG_LEVEL,
    roles: new Set<Role>(settings.ROLES),
    secretKey: settings.SECRET_KEY,
    adminIds: new Set(settings.ADMIN_IDS ?? []),
    apiKey: settings.API_KEY,
    /** Families of the API that need no key. */
    anonymousApi: settings.ANONYMOUS_API,
    /** Limits of people who have none of their own and are in no tier with some. */
    requestsInFlight: settings.REQUESTS_IN_FLIGHT,
    requestsPerMinute: settings.REQUESTS_PER_MINUTE,
    welcomeCredits: settings.WELCOME_CREDITS,
    dailyCredits: settings.DAILY_CREDITS,
    roleCredits: settings.ROLE_CREDITS,
    referralCredits: settings.REFERRAL_CREDITS,
    discord:
      settings.DISCORD_TOKEN === undefined
        ? undefined
        : {
            token: settings.DISCORD_TOKEN,
            applicationId: settings.DISCORD_APP_ID,
            publicKey: settings.DISCORD_PUBLIC_KEY,
            shards: settings.SHARDS,
            apiUrl: settings.DISCORD_API_URL,
          },
    telegram:
      settings.TELEGRAM_TOKEN === undefined
        ? undefined
        : {
            token: settings.TELEGRAM_TOKEN,
            apiUrl: settings.TELEGRAM_API_URL,
            webhookSecret: settings.TELEGRAM_WEBHOOK_SECRET,
          },
    /** Whether `publicUrl` can be opened from outside this machine and its network. */
    reachable,
    /** Whether services on this machine may call us at `publicUrl`: only if PUBLIC_URL is set. */
    neighbours: settings.PUBLIC_URL !== undefined,
    /** For provider configurations in the database that set no limits. */
    providerDefaults: defaults,
    /** Model, or model@provider → US dollars that we pay for a picture. */
    modelCosts: settings.MODEL_COSTS,
    /** Provider → its address, for configurations in the database that have none. */
    providerAddresses: new Map([
      ['fal', settings.FAL_QUEUE_URL],
      ['ark', settings.DOUBAO_API_URL],
      ['dashscope', settings.QWEN_API_URL],
      ['openai', settings.OPENAI_IMAGE_BASE],
      ['gemini', settings.GEMINI_API_URL],
      ['midjourney', settings.MIDJOURNEY_URL ?? ''],
      ['jimeng', settings.JIMENG_API_URL],
      ['kling', settings.KLING_API_URL],
    ]),
    /** Provider → its settings, for providers without a configuration in the database. Absent: not set up here. */
    providers: providersOf(settings, defaults),
    enhancer:
      settings.EXTERNAL_API_BASE && settings.EXTERNAL_MODEL && settings.EXTERNAL_API_KEY
        ? { baseUrl: settings.EXTERNAL_API_BASE, model: settings.EXTERNAL_MODEL, key: settings.EXTERNAL_API_KEY }
        : undefined,
    enhanceByDefault: isOn(settings.PROMPT_OPTIMIZATION),
    cos:
      settings.COS_SECRET_ID && settings.COS_SECRET_KEY && settings.COS_BUCKET && settings.COS_REGION
        ? {
            secretId: settings.COS_SECRET_ID,
            secretKey: settings.COS_SECRET_KEY,
            bucket: settings.COS_BUCKET,
            region: settings.COS_REGION,
            domain: settings.COS_DOMAIN,
            /** Whether links to it can be opened from other networks. */
            reachable: settings.COS_DOMAIN === undefined || !isPrivate(hostOf(settings.COS_DOMAIN)),
          }
        : undefined,
    s3:
      settings.S3_REGION && settings.S3_BUCKET && settings.S3_ACCESS_KEY_ID && settings.S3_SECRET_ACCESS_KEY
        ? {
            endpoint: settings.S3_ENDPOINT,
            region: settings.S3_REGION,
            bucket: settings.S3_BUCKET,
            accessKeyId: settings.S3_ACCESS_KEY_ID,
            secretAccessKey: settings.S3_SECRET_ACCESS_KEY,
            /** Whether links to it can be opened from other networks. */
            reachable: settings.S3_ENDPOINT === undefined || !isPrivate(hostOf(settings.S3_ENDPOINT)),
          }
        : undefined,
    /** Where traces go is read by the library (telemetry.ts). Absent: there are none. */
    traces:
      settings.OTEL_EXPORTER_OTLP_ENDPOINT === undefined || /^true$/i.test(settings.OTEL_SDK_DISABLED)
        ? undefined
        : { protocol: settings.OTEL_EXPORTER_OTLP_PROTOCOL },
    imageExpirationSeconds: settings.IMAGE_EXPIRATION,
    /** Days that pictures are kept. Absent: for ever. */
    pictureDays: settings.IMAGE_RETENTION_DAYS,
    /** Values that the log must not contain. */
    secrets: [
      settings.SECRET_KEY,
      settings.API_KEY,
      settings.DISCORD_TOKEN,
      settings.TELEGRAM_TOKEN,
      settings.TELEGRAM_WEBHOOK_SECRET,
      settings.FAL_KEY,
      settings.CF_API_TOKEN,
      settings.DOUBAO_API_KEY,
      settings.QWEN_API_KEY,
      settings.OPENAI_IMAGE_KEY,
      settings.GEMINI_API_KEY,
      settings.MIDJOURNEY_SECRET,
      urlOf(settings.MIDJOURNEY_URL ?? '')?.password,
      settings.JIMENG_ACCESS_KEY,
      settings.JIMENG_SECRET_KEY,
      settings.KLING_ACCESS_KEY,
      settings.KLING_SECRET_KEY,
      settings.EXTERNAL_API_KEY,
      // the address of a ComfyUI server may contain a password
      ...(settings.COMFYUI_URL ?? []).map((url) => urlOf(url)?.password),
      settings.COS_SECRET_ID,
      settings.COS_SECRET_KEY,
      settings.S3_ACCESS_KEY_ID,
      settings.S3_SECRET_ACCESS_KEY,
      ...headerValues(settings.OTEL_EXPORTER_OTLP_HEADERS ?? ''),
      urlOf(settings.OTEL_EXPORTER_OTLP_ENDPOINT ?? '')?.password,
      ...[settings.DATABASE_URL, settings.DATABASE_DIRECT_URL].flatMap((url) => passwordsIn(url ?? '')),
      ...(settings.REDIS_URL?.split(',') ?? []).map((url) => urlOf(url.trim())?.password),
    ].filter((secret): secret is string => secret !== undefined && secret !== ''),
  }
}

/** Of a Postgres server, and of the key of a client certificate; as they are written, and as they are sent. */
function passwordsIn(address: string): (string | undefined)[] {
  const url = urlOf(address)
  if (!url) return []
  const read = readAddress(address)
  return [url.password, ...('mistake' in read ? [] : [read.password, read.sslPassword])]
}

/** Of 'name=value,name=value'. */
const headerValues = (headers: string) => headers.split(',').map((pair) => pair.slice(pair.indexOf('=') + 1).trim())

const isOn = (value: string) => /^(true|1|on)$/.test(value)

interface Defaults {
  timeoutMs: number
  concurrency: number
}

function providersOf(settings: Settings, defaults: Defaults) {
  const providers = new Map<string, Defaults & { baseUrl: string; key?: string; steps?: number }>()
  providers.set('sketch', { ...defaults, baseUrl: 'sketch:' })
  providers.set('lanczos', { ...defaults, baseUrl: 'lanczos:' })
  if (settings.FAL_KEY) providers.set('fal', { ...defaults, baseUrl: settings.FAL_QUEUE_URL, key: settings.FAL_KEY })
  if (settings.CF_API_TOKEN) {
    // the address of an AI Gateway already contains the account
    const baseUrl = settings.CF_API_URL.includes('/workers-ai')
      ? settings.CF_API_URL
      : `${settings.CF_API_URL}/accounts/${settings.CF_ACCOUNT_ID}`
    providers.set('cloudflare', { ...defaults, baseUrl, key: settings.CF_API_TOKEN, steps: settings.FLUX_NUM_STEPS })
  }
  if (settings.COMFYUI_URL?.length) providers.set('comfyui', { ...defaults, baseUrl: settings.COMFYUI_URL.join(',') })
  const { DOUBAO_API_URL } = settings
  if (settings.DOUBAO_API_KEY)
    providers.set('ark', { ...defaults, baseUrl: DOUBAO_API_URL, key: settings.DOUBAO_API_KEY })
  const { QWEN_API_URL } = settings
  if (settings.QWEN_API_KEY)
    providers.set('dashscope', { ...defaults, baseUrl: QWEN_API_URL, key: settings.QWEN_API_KEY })
  const { OPENAI_IMAGE_BASE } = settings
  if (settings.OPENAI_IMAGE_KEY)
    providers.set('openai', { ...defaults, baseUrl: OPENAI_IMAGE_BASE, key: settings.OPENAI_IMAGE_KEY })
  const { GEMINI_API_URL } = settings
  if (settings.GEMINI_API_KEY)
    providers.set('gemini', { ...defaults, baseUrl: GEMINI_API_URL, key: settings.GEMINI_API_KEY })
  const { MIDJOURNEY_URL, MIDJOURNEY_SECRET } = settings
  if (MIDJOURNEY_URL) providers.set('midjourney', { ...defaults, baseUrl: MIDJOURNEY_URL, key: MIDJOURNEY_SECRET })
  const { JIMENG_ACCESS_KEY, JIMENG_SECRET_KEY, JIMENG_API_URL } = settings
  if (JIMENG_ACCESS_KEY)
    providers.set('jimeng', { ...defaults, baseUrl: JIMENG_API_URL, key: `${JIMENG_ACCESS_KEY}:${JIMENG_SECRET_KEY}` })
  const { KLING_ACCESS_KEY, KLING_SECRET_KEY, KLING_API_URL } = settings
  if (KLING_ACCESS_KEY) {
    // a key of the newer kind has no secret
    const key = [KLING_ACCESS_KEY, KLING_SECRET_KEY ?? []].flat().join(':')
    providers.set('kling', { ...defaults, baseUrl: KLING_API_URL, key })
  }
  return providers
}

/** The host of COS_DOMAIN, which may lack a scheme or be a template such as {Bucket}.cos.{Region}.… */
function hostOf(domain: string): string {
  return urlOf(domain.includes('://') ? domain : `https://${domain}`)?.hostname ?? 'a template.example'
}

/** Judges a host by its name or literal, without resolving it. */
function isPrivate(host: string): boolean {
  const literal = /^\[|^\d+(\.\d+){3}$/.test(host)
  const privateRanges =
    /^(\[f[cd]|\[fe[89ab]|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|0\.)/
  return (
    isLoopback(host) ||
    (literal ? privateRanges.test(host) : !host.includes('.') || /\.(local|internal|lan|test)$/.test(host))
  )
}
