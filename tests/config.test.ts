import { describe, expect, it } from 'vitest'
import { ConfigError, readConfig } from '../src/config.ts'
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
  it('all have defaults, reachable from this machine only', () => {
    expect(readConfig({})).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      publicUrl: 'http://localhost:8080',
      local: true,
      databaseUrl: undefined,
      welcomeCredits: 20,
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
      EXTERNAL_API_BASE: 'https://llm.example/v1',
      EXTERNAL_MODEL: 'm',
    })
    const limits = { timeoutMs: 60_000, concurrency: 5 }
    expect(Object.fromEntries(providers)).toEqual({
      sketch: { ...limits, baseUrl: 'sketch:' },
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
    [{ ROLES: 'worker' }, 'DATABASE_URL must be set when ROLES leaves out a role'],
    [{ COS_SECRET_ID: 'x' }, 'COS_BUCKET must be set when COS_SECRET_ID is set'],
    [{ PROMPT_OPTIMIZATION: 'on' }, 'EXTERNAL_API_BASE must be set'],
    [{ TELEGRAM_WEBHOOK_SECRET: 'x' }, 'PUBLIC_URL must be set'],
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

  it('make every visitor of the page an administrator only while other machines cannot reach it', () => {
    expect([...readConfig({}).adminIds]).toEqual(['web:*'])
    expect([...readConfig({ HOST: '0.0.0.0' }).adminIds]).toEqual([])
    expect([...readConfig({ PUBLIC_URL: 'https://x.org' }).adminIds]).toEqual([])
    expect([...readConfig({ ADMIN_IDS: 'discord:1, telegram:2' }).adminIds]).toEqual(['discord:1', 'telegram:2'])
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
      'DATABASE_URL REDIS_URL DATA_DIR PORT HOST PUBLIC_URL LOG_LEVEL ROLES SECRET_KEY ADMIN_IDS API_KEY WELCOME_CREDITS ' +
      'ANONYMOUS_API ' +
      'DAILY_CREDITS DISCORD_TOKEN DISCORD_APP_ID DISCORD_PUBLIC_KEY DISCORD_API_URL TELEGRAM_TOKEN TELEGRAM_API_URL ' +
      'TELEGRAM_WEBHOOK_SECRET FAL_KEY FAL_QUEUE_URL CF_ACCOUNT_ID CF_API_TOKEN CF_API_URL FLUX_NUM_STEPS COMFYUI_URL ' +
      'PROVIDER_TIMEOUT_SECONDS PROVIDER_CONCURRENCY DOUBAO_API_KEY DOUBAO_API_URL QWEN_API_KEY QWEN_API_URL ' +
      'PROMPT_OPTIMIZATION EXTERNAL_API_BASE EXTERNAL_MODEL EXTERNAL_API_KEY COS_SECRET_ID COS_SECRET_KEY COS_BUCKET ' +
      'COS_REGION COS_DOMAIN IMAGE_EXPIRATION'
    expect([...settingNames].sort()).toEqual(documented.split(' ').sort())
  })
})
