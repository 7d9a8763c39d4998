import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, loadConfig, readConfig } from '../src/config.ts'
import { settingNames } from '../src/settings.ts'

function mistakes(environment: Record<string, string>): string {
  try {
    readConfig(environment)
    return ''
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message
  }
}

const shared = { DATABASE_URL: 'postgres://x/y', SECRET_KEY: 's'.repeat(32) }

describe('settings', () => {
  it('name each of thirty mistakes, and what to do', () => {
    const wrong: [string, string, string][] = [
      ['DATABASE_URL', 'postgres://postgres:p@ss#w%rd@127.0.0.1:5432/x', 'write % as %25, @ as %40'],
      ['REDIS_URL', 'redis://127.0.0.1:6379/zero', 'number of a database'],
      ['REDIS_SENTINEL', 'my primary', 'the sentinels know the primary'],
      ['REDIS_PREFIX', '{fluxbot}', 'are added by fluxbot'],
      ['DATA_DIR', '~/fluxbot', 'must be a whole path'],
      ['PORT', '80 80', 'whole number from 0 to 65535'],
      ['HOST', 'http://0.0.0.0:8080', 'set the port in PORT'],
      ['PUBLIC_URL', 'https://x.org/v1', 'must not begin with the path /v1'],
      ['LOG_LEVEL', 'verbose', 'must be one of: trace'],
      ['ROLES', ',', 'comma-separated list of: bots'],
      ['SECRET_KEY', 'short', 'openssl rand'],
      ['ADMIN_IDS', 'web:*', 'must look like discord:123'],
      ['MODEL_COSTS', 'midjourney', 'must look like midjourney=0.1'],
      ['MODEL_COSTS', 'midjourney=0.1,wan=-1', 'must look like midjourney=0.1'],
      ['API_KEY', '"field-operator-key-0001"', 'has quotes around its value: remove them'],
      ['REQUESTS_IN_FLIGHT', '0', 'whole number from 1 to 1000'],
      ['REQUESTS_PER_MINUTE', '601', 'whole number from 1 to 600'],
      ['WELCOME_CREDITS', '-1', 'whole number from 0'],
      ['DISCORD_TOKEN', 'Bot abc.def.ghi', 'without spaces'],
      ['SHARDS', '16', 'must look like 0-3/16'],
      ['SHARDS', '3-0/16', 'must look like 0-3/16'],
      ['SHARDS', '0-16/16', 'must look like 0-3/16'],
      ['DISCORD_APP_ID', 'me', '15 to 21 digits'],
      ['DISCORD_PUBLIC_KEY', 'xyz', '64 hexadecimal digits'],
      ['TELEGRAM_TOKEN', 'bot', 'from @BotFather'],
      ['TELEGRAM_API_URL', 'api.telegram.org', 'must be an http:// or https:// address'],
      ['TELEGRAM_WEBHOOK_SECRET', 'a b', 'only letters, digits, _ and -'],
      ['FAL_KEY', 'Key abc', 'without spaces'],
      ['FAL_QUEUE_URL', 'https://queue.fal.run/?a=1', 'must not contain ?'],
      ['CF_ACCOUNT_ID', '123', '32 hexadecimal digits'],
      ['FLUX_NUM_STEPS', '9', 'whole number from 1 to 8'],
      ['COMFYUI_URL', 'localhost:8188', 'separate several addresses by commas'],
      ['PROVIDER_TIMEOUT_SECONDS', '0', 'whole number from 1'],
      ['PROVIDER_CONCURRENCY', 'many', 'whole number from 1'],
      ['PROMPT_OPTIMIZATION', 'yes', 'must be one of: true'],
      ['COS_BUCKET', 'pictures', 'must look like name-1250000000'],
      ['S3_BUCKET', 'My_Pictures', 'small letters'],
      ['S3_REGION', 'EU (Frankfurt)', 'such as eu-central-1'],
      ['S3_ENDPOINT', 'http://id:secret@minio:9000', 'must not contain a user name or password'],
      ['IMAGE_EXPIRATION', '1', 'whole number from 60'],
      ['IMAGE_RETENTION_DAYS', '0', 'whole number from 1 to 36500'],
      ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318', 'must be an http:// or https:// address'],
      ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', 'traces are not sent by gRPC'],
      ['CF_API_URL', 'https://cloudflare.example', 'has no effect without CF_API_TOKEN'],
      ['DISCORD_BOT_TOKEN', 'abc', 'did you mean DISCORD_TOKEN?'],
    ]
    const lines = mistakes(Object.fromEntries(wrong)).split('\n')
    for (const [name, , cure] of wrong) {
      expect(lines.filter((line) => line.startsWith(`  ${name} `)).join()).toContain(cure)
    }
  })

  it.each([
    ['postgres://u:a%40b%23c%25d%2Fe%3Ff%22@db:5432/x', ''],
    [`postgres://u:a"b'c[d]\\e@db/x`, ''],
    ['postgres://u:a:b@db/x?sslmode=require', ''],
    ['postgresql:///x', ''],
    ['postgres://u:p@db/x?sslmode=off', 'has a wrong sslmode: it must be disable'],
    ['postgres://u:p@db/x?pool=5', 'has pool behind the question mark'],
    ['postgres://u:a/b@db/x', 'cannot be read'],
    ['postgres://u:1/b@db/x', 'cannot be read'],
    ['postgres://u:a#b@db/x', 'cannot be read'],
    ['postgres://u:a?b@db/x', 'cannot be read'],
    ['postgres://u:1?b@db/x', 'cannot be read'],
    ['postgres://u:a@b@db/x', 'cannot be read'],
    ['postgres://u:a%b@db/x', 'cannot be read'],
    ['postgres://u:a%ff@db/x', 'cannot be read'],
    ['postgres://u:a b@db/x', 'cannot be read'],
    ['postgres://u:a', 'cannot be read'],
    ['postgres://u:p@db:99999/x', 'must be from 1 to 65535'],
    ['postgres://u:p@one:1,two:2/x', 'names several servers'],
    ['"postgres://u:p@db/x"', 'has quotes around its value'],
    [`'postgres://u:p@db/x'`, 'has quotes around its value'],
    ['“postgres://u:p@db/x”', 'has quotes around its value'],
    ['"postgres://u:p@db/x', 'starts with a quote that does not end'],
    ['db:5432', 'must start with postgres://'],
    ['sqlite:///chat_history.db', 'or be left out: then everything is kept in DATA_DIR'],
  ])('with DATABASE_URL %s are right or say what is wrong: %s', (url, message) => {
    const found = mistakes({ DATABASE_URL: url, SECRET_KEY: 's'.repeat(32) })
    if (message === '') expect(found).toBe('')
    else expect(found).toContain(message)
    expect(
      found
        .split('\n')
        .slice(1)
        .every((line) => line.startsWith('  DATABASE_URL ')),
    ).toBe(true)
    expect(found).not.toContain('u:')
  })

  it.each([
    ['DATABSE_URL', 'did you mean DATABASE_URL?'],
    ['DATABASEURL', 'did you mean DATABASE_URL?'],
    ['REDIS_URI', 'did you mean REDIS_URL?'],
    ['redis_url', 'did you mean REDIS_URL?'],
    ['PROT', 'did you mean PORT?'],
    ['TELEGRAM_BOT_TOKEN', 'did you mean TELEGRAM_TOKEN?'],
    ['WELCOME_CREDIT', 'did you mean WELCOME_CREDITS?'],
    ['CF_API_KEY', 'is not a setting'],
    ['FLUXBOT_PORT_NUMBER', '.env.example lists all settings'],
    ['COS_SECRETID', 'did you mean COS_SECRET_ID?'],
    ['S3_ACCESS_KEY', 'did you mean S3_ACCESS_KEY_ID?'],
  ])('that are misspelled, as %s, are named', (name, cure) => {
    expect(mistakes({ [name]: 'x' })).toMatch(new RegExp(`${name} is not a setting of fluxbot: `))
    expect(mistakes({ [name]: 'x' })).toContain(cure)
    expect(mistakes({ [name]: ' ' })).toBe('')
  })

  it('ignore names of other programs', () => {
    const names =
      'PATH HOME USER SHELL HOSTNAME NODE_ENV PWD TZ LANG POSTGRES_PASSWORD TELEGRAM_API_ID COMPOSE_PROJECT_NAME REDIS_PORT_6379_TCP ' +
      'FLUXBOT_SERVICE_HOST FLUXBOT_SERVICE_PORT_HTTP FLUXBOT_PORT FLUXBOT_PORT_8080_TCP_ADDR CF_INSTANCE_IP PORTS ' +
      'TEST_DATABASE_URL PGPASSWORD OPENAI_API_KEY AWS_REGION APP_KEY AWS_REGION_ID npm_config_cache npm_package_name npm_lifecycle_event'
    expect(mistakes(Object.fromEntries(names.split(' ').map((name) => [name, 'x'])))).toBe('')
  })

  it.each([
    [{ CF_API_URL: 'http://relay' }, 'CF_API_URL has no effect without CF_API_TOKEN: set CF_API_TOKEN, or remove'],
    [{ DISCORD_APP_ID: '123456789012345678' }, 'DISCORD_APP_ID has no effect without DISCORD_TOKEN'],
    [{ DISCORD_PUBLIC_KEY: 'a'.repeat(64) }, 'DISCORD_PUBLIC_KEY has no effect without DISCORD_TOKEN'],
    [{ COS_DOMAIN: 'x.org' }, 'COS_DOMAIN has no effect without COS_BUCKET'],
    [{ S3_ENDPOINT: 'http://minio:9000' }, 'S3_ENDPOINT has no effect without S3_BUCKET'],
    [{ FAL_QUEUE_URL: 'https://queue.fal.run' }, ''],
    // the address of stored configurations
    [{ FAL_QUEUE_URL: 'http://relay', QWEN_API_KEY: '', QWEN_API_URL: 'https://dashscope.example/api/v1/' }, ''],
    [{ FLUX_NUM_STEPS: '4' }, ''],
  ])('without effect, as %j, are named unless they repeat a default: %s', (environment, message) => {
    if (message === '') expect(mistakes(environment)).toBe('')
    else expect(mistakes(environment)).toContain(message)
  })

  it.each([
    ['https://x.org/flux/', 'https://x.org/flux'],
    ['https://X.org/a b', ''],
    ['https://x.org/wörter', 'https://x.org/w%C3%B6rter'],
    ['https://x.org/', 'https://x.org'],
    ['https://x.org/api/x', ''],
    ['https://x.org/apis', 'https://x.org/apis'],
    ['https://u:p@x.org', ''],
    ['https://x.org/?a', ''],
    ['https://x.org/#a', ''],
  ])('with PUBLIC_URL %s have the address %j', (PUBLIC_URL, publicUrl) => {
    if (publicUrl === '') expect(mistakes({ PUBLIC_URL })).toContain('PUBLIC_URL must')
    else expect(readConfig({ PUBLIC_URL }).publicUrl).toBe(publicUrl)
  })

  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['::', '::'],
    ['[::1]', '::1'],
    ['my-host_1.lan', 'my-host_1.lan'],
    ['0.0.0.0:80', ''],
    ['*', ''],
    ['a b', ''],
    ['//x', ''],
  ])('with HOST %s listen on %j', (HOST, host) => {
    if (host === '') expect(mistakes({ HOST })).toContain('HOST must be')
    else expect(readConfig({ HOST }).host).toBe(host)
  })

  describe('in .env', () => {
    let folder: string
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'fluxbot-config-'))
    })
    afterEach(() => rm(folder, { recursive: true, force: true }))
    const load = async (text: string | Buffer, environment = {}) => {
      await writeFile(join(folder, '.env'), text)
      return loadConfig(environment, join(folder, '.env'))
    }

    it.each<[string, string | Buffer]>([
      ['plain', 'PORT=81\nAPI_KEY="a-key#with-a-hash" # mine\n'],
      ['with a byte order mark', '\uFEFFPORT=81\r\nAPI_KEY="a-key#with-a-hash"\r\n'],
      ['as UTF-16', Buffer.from('\uFEFFPORT=81\r\nAPI_KEY="a-key#with-a-hash"\r\n', 'utf16le')],
      ['with comments', '#PORT=1\nexport PORT=81 # not 82\nAPI_KEY="a-key#with-a-hash"'],
    ])('are read %s', async (_name, text) => {
      expect(await load(text)).toMatchObject({ port: 81, apiKey: 'a-key#with-a-hash' })
      expect(await load(text, { PORT: '82' })).toMatchObject({ port: 82 })
    })

    it('reach the library of OpenTelemetry, which reads the environment of the process', async () => {
      const text =
        'OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4318\nOTEL_SERVICE_NAME=file\nOTEL_EXPORTER_OTLP_HEADERS=k=collector-key'
      const environment = { OTEL_SERVICE_NAME: 'process', OTEL_EXPORTER_OTLP_HEADERS: '' }
      const config = await load(text, environment)
      expect(config.traces).toEqual({ protocol: 'http/protobuf' })
      expect(config.secrets).toContain('collector-key')
      expect(environment).toEqual({
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:4318',
        OTEL_SERVICE_NAME: 'process',
        OTEL_EXPORTER_OTLP_HEADERS: 'k=collector-key',
      })
      expect((await load(text, { OTEL_SDK_DISABLED: 'TRUE' })).traces).toBeUndefined()
      expect((await load('')).traces).toBeUndefined()
    })

    it('are refused with NODE_EXTRA_CA_CERTS, which Node.js reads before them', async () => {
      const text = 'NODE_EXTRA_CA_CERTS=/ca.pem'
      await expect(load(text)).rejects.toThrow(/NODE_EXTRA_CA_CERTS has no effect in .*: set it in the environment/)
      expect(await load(text, { NODE_EXTRA_CA_CERTS: '/ca.pem' })).toMatchObject({ port: 8080 })
    })

    it('are refused where # would cut a value off', async () => {
      const text = 'API_KEY=0123456789abcdef#g\nPORT=x'
      await expect(load(text)).rejects.toThrow(/API_KEY is cut off at #[\s\S]*PORT must be/)
      expect((await load('API_KEY=0123456789abcdef#g', { API_KEY: 'the-other-key-is-right' })).apiKey).toContain(
        'other',
      )
    })

    it('are refused when the file cannot be read', () => {
      expect(() => loadConfig({}, folder)).toThrow(/cannot be read/)
    })
  })

  it('all have defaults, reachable from this machine only', () => {
    expect(readConfig({})).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      publicUrl: 'http://localhost:8080',
      databaseUrl: undefined,
      welcomeCredits: 20,
      dailyCredits: 5,
      referralCredits: 10,
      providerDefaults: { timeoutMs: 300_000, concurrency: 5 },
      imageExpirationSeconds: 1800,
    })
  })

  it('count as not set when they are blank', () => {
    expect(readConfig({ PORT: '', REDIS_URL: ' ', ADMIN_IDS: '' })).toEqual(readConfig({}))
  })

  it('are all named in one message when they are wrong', () => {
    const wrong = {
      DATABASE_URL: 'mysql://x',
      REDIS_URL: 'http://x',
      PORT: '99999',
      PUBLIC_URL: 'example.org',
      LOG_LEVEL: 'loud',
      ROLES: 'bots,typist',
      SECRET_KEY: 'short',
      ADMIN_IDS: 'joe',
      API_KEY: 'short',
      WELCOME_CREDITS: '-1',
      DISCORD_APP_ID: 'me',
      TELEGRAM_TOKEN: 'abc',
      TELEGRAM_API_URL: 'ftp://x',
      PROVIDER_CONCURRENCY: '0',
      IMAGE_EXPIRATION: 'soon',
      COS_BUCKET: 'x',
      CF_API_TOKEN: 'x',
      PROMPT_OPTIMIZATION: 'maybe',
    }
    const message = mistakes(wrong)
    for (const name of Object.keys(wrong))
      expect(message).toContain(name === 'CF_API_TOKEN' ? 'CF_ACCOUNT_ID must be set' : name)
  })

  it('set up the providers whose settings are complete, and no others', () => {
    const { providers, enhancer, cos } = readConfig({
      FAL_KEY: 'id:secret',
      FAL_QUEUE_URL: 'http://127.0.0.1:9/relay/',
      CF_ACCOUNT_ID: 'a'.repeat(32),
      CF_API_TOKEN: 'token',
      COMFYUI_URL: 'http://one:8188/, http://two:8188',
      PROVIDER_TIMEOUT_SECONDS: '60',
    })
    const limits = { timeoutMs: 60_000, concurrency: 5 }
    expect(Object.fromEntries(providers)).toEqual({
      sketch: { ...limits, baseUrl: 'sketch:' },
      lanczos: { ...limits, baseUrl: 'lanczos:' },
      fal: { ...limits, baseUrl: 'http://127.0.0.1:9/relay', key: 'id:secret' },
      cloudflare: {
        ...limits,
        baseUrl: `https://api.cloudflare.com/client/v4/accounts/${'a'.repeat(32)}`,
        key: 'token',
        steps: 4,
      },
      comfyui: { ...limits, baseUrl: 'http://one:8188,http://two:8188' },
    })
    expect(enhancer).toBeUndefined()
    expect(cos).toBeUndefined()
    const gateway = 'https://gateway.ai.cloudflare.com/v1/acc/gw/workers-ai'
    const behind = readConfig({ CF_ACCOUNT_ID: 'a'.repeat(32), CF_API_TOKEN: 'token', CF_API_URL: gateway })
    expect(behind.providers.get('cloudflare')?.baseUrl).toBe(gateway)
  })

  it.each([
    ['https://pictures.example.org', true],
    ['http://203.0.113.7:8080', true],
    ['http://localhost:8080', false],
    ['http://127.0.0.1', false],
    ['http://192.168.1.5', false],
    ['http://10.1.2.3', false],
    ['http://172.20.0.2', false],
    ['http://100.64.0.1', false],
    ['http://[::1]:8080', false],
    ['http://[fd00::1]', false],
    ['http://fluxbot:8080', false],
    ['http://fluxbot.internal', false],
  ])('with PUBLIC_URL %s are reachable from other networks: %s', (PUBLIC_URL, reachable) => {
    expect(readConfig({ PUBLIC_URL })).toMatchObject({ reachable, neighbours: true })
  })

  it('never show the values of secrets in a message', () => {
    const secret = 'postgre://user:hunter2secret@host/db'
    expect(mistakes({ DATABASE_URL: secret, SECRET_KEY: 'hunter2', API_KEY: 'hunter3' })).not.toMatch(/hunter/)
  })

  it.each([
    [{ DATABASE_URL: 'postgres://x/y' }, 'SECRET_KEY must be set'],
    [{ ...shared, DATABASE_DIRECT_URL: 'postgres://x/y?sslmode=off' }, 'DATABASE_DIRECT_URL has a wrong sslmode'],
    [{ ...shared, DATABASE_DIRECT_URL: 'x' }, 'DATABASE_DIRECT_URL must start with postgres://'],
    [{ DATABASE_DIRECT_URL: 'postgres://x/y' }, 'DATABASE_DIRECT_URL has no effect without DATABASE_URL'],
    [{ DATABASE_POOL: '5' }, 'DATABASE_POOL has no effect without DATABASE_URL'],
    [{ ...shared, DATABASE_POOL: '0' }, 'DATABASE_POOL must be a whole number from 1 to 500'],
    [{ ROLES: 'worker' }, 'DATABASE_URL must be set when ROLES leaves out a role'],
    [{ REDIS_URL: 'redis://a:1,redis://b:1' }, 'REDIS_URL names several servers: set REDIS_CLUSTER=true if'],
    [{ REDIS_URL: 'redis://a:1,b:1', REDIS_CLUSTER: 'true' }, 'must start with redis:// or rediss://, also after'],
    [{ REDIS_URL: 'redis://a:1,rediss://b:1', REDIS_CLUSTER: 'true' }, 'the same user name, password and protocol'],
    [{ REDIS_URL: 'redis://a:1/2', REDIS_CLUSTER: 'true' }, 'a cluster has only /0'],
    [{ REDIS_URL: 'redis://a:1', REDIS_CLUSTER: 'true', REDIS_SENTINEL: 'main' }, 'must not both be set'],
    [{ REDIS_CLUSTER: 'true' }, 'REDIS_CLUSTER has no effect without REDIS_URL'],
    [{ REDIS_PREFIX: 'other' }, 'REDIS_PREFIX has no effect without REDIS_URL'],
    [{ COS_SECRET_ID: 'x' }, 'COS_BUCKET must be set when COS_SECRET_ID is set'],
    [{ S3_ENDPOINT: 'minio:9000' }, 'S3_ENDPOINT must be an http:// or https:// address'],
    [{ S3_BUCKET: 'pictures' }, 'S3_SECRET_ACCESS_KEY must be set when S3_BUCKET is set'],
    [{ S3_BUCKET: 'pictures', COS_BUCKET: 'pictures-1250000000' }, 'COS_… and S3_… must not both be set'],
    [
      { S3_BUCKET: 'pictures', S3_ENDPOINT: 'https://1.r2.cloudflarestorage.com/pictures/' },
      'S3_ENDPOINT must not end with the name of the bucket',
    ],
    [{ PROMPT_OPTIMIZATION: 'on' }, 'EXTERNAL_API_BASE must be set'],
    [{ TELEGRAM_WEBHOOK_SECRET: 'x' }, 'PUBLIC_URL must be set'],
    [
      { EXTERNAL_API_BASE: 'https://llm.example/v1', EXTERNAL_MODEL: 'm' },
      'EXTERNAL_API_KEY must be set when EXTERNAL_MODEL is set',
    ],
  ])('%j are incomplete: %s', (environment, message) => {
    expect(mistakes(environment)).toContain(message)
  })

  it.each([
    [{}, true],
    [{ ROLES: 'http', ...shared }, true],
    [{ ROLES: 'bots,worker', ...shared }, false],
    [{ ROLES: 'worker', PORT: ' ', ...shared }, false],
    [{ ROLES: 'worker', PORT: '8080', ...shared }, true],
  ])('%j make the process listen: %s', (environment, listens) => {
    expect(readConfig(environment).listens).toBe(listens)
  })

  it('make only the accounts of ADMIN_IDS administrators', () => {
    expect([...readConfig({}).adminIds]).toEqual([])
    expect([...readConfig({ ADMIN_IDS: 'discord:1, telegram:2' }).adminIds]).toEqual(['discord:1', 'telegram:2'])
    for (const ADMIN_IDS of ['web:*', 'web:x', 'discord:*', 'discord:1,joe'])
      expect(mistakes({ ADMIN_IDS })).toContain('ADMIN_IDS must look like')
  })

  it.each([
    [{ ANONYMOUS_API: 'comfyui', HOST: '0.0.0.0' }, 'ANONYMOUS_API must not be set unless HOST is 127.0.0.1'],
    [
      { ANONYMOUS_API: 'comfyui', PUBLIC_URL: 'https://x.org' },
      'ANONYMOUS_API must not be set unless HOST is 127.0.0.1',
    ],
    [{ ANONYMOUS_API: 'comfy' }, 'ANONYMOUS_API must be a comma-separated list of: openai, flux, comfyui, webui'],
  ])('refuse %j', (settings, mistake) => {
    expect(() => readConfig(settings)).toThrow(mistake)
  })

  it('let families do without a key on this machine only', () => {
    expect(readConfig({}).anonymousApi).toEqual([])
    expect(readConfig({ ANONYMOUS_API: 'comfyui, webui', HOST: '::1' }).anonymousApi).toEqual(['comfyui', 'webui'])
  })

  it('include every documented setting', () => {
    const documented =
      'DATABASE_URL DATABASE_DIRECT_URL DATABASE_POOL REDIS_URL REDIS_CLUSTER REDIS_SENTINEL REDIS_PREFIX DATA_DIR PORT HOST PUBLIC_URL LOG_LEVEL ROLES SECRET_KEY ADMIN_IDS API_KEY WELCOME_CREDITS ' +
      'ANONYMOUS_API REQUESTS_IN_FLIGHT REQUESTS_PER_MINUTE ' +
      'DAILY_CREDITS ROLE_CREDITS REFERRAL_CREDITS SHARDS DISCORD_TOKEN DISCORD_APP_ID DISCORD_PUBLIC_KEY DISCORD_API_URL TELEGRAM_TOKEN TELEGRAM_API_URL ' +
      'TELEGRAM_WEBHOOK_SECRET FAL_KEY FAL_QUEUE_URL CF_ACCOUNT_ID CF_API_TOKEN CF_API_URL FLUX_NUM_STEPS COMFYUI_URL ' +
      'PROVIDER_TIMEOUT_SECONDS PROVIDER_CONCURRENCY MODEL_COSTS DOUBAO_API_KEY DOUBAO_API_URL QWEN_API_KEY QWEN_API_URL ' +
      'OPENAI_IMAGE_KEY OPENAI_IMAGE_BASE GEMINI_API_KEY GEMINI_API_URL ' +
      'MIDJOURNEY_URL MIDJOURNEY_SECRET JIMENG_ACCESS_KEY JIMENG_SECRET_KEY JIMENG_API_URL KLING_ACCESS_KEY KLING_SECRET_KEY KLING_API_URL ' +
      'PROMPT_OPTIMIZATION EXTERNAL_API_BASE EXTERNAL_MODEL EXTERNAL_API_KEY COS_SECRET_ID COS_SECRET_KEY COS_BUCKET ' +
      'COS_REGION COS_DOMAIN S3_ENDPOINT S3_REGION S3_BUCKET S3_ACCESS_KEY_ID S3_SECRET_ACCESS_KEY IMAGE_EXPIRATION IMAGE_RETENTION_DAYS ' +
      'OTEL_EXPORTER_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_HEADERS OTEL_EXPORTER_OTLP_PROTOCOL OTEL_SDK_DISABLED'
    expect([...settingNames].sort()).toEqual(documented.split(' ').sort())
  })
})
