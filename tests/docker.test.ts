import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { readConfig } from '../src/config.ts'
import { settingNames } from '../src/settings.ts'

const root = new URL('../', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')

interface Service {
  environment?: Record<string, string>
  command?: string
  read_only?: boolean
  cap_drop?: string[]
  env_file?: string
  depends_on?: Record<string, unknown>
}
const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>
  volumes: Record<string, unknown>
}
const apps = Object.entries(compose.services).filter(([, service]) => service.env_file)
const substituted = (value: string) =>
  value.replace(
    /\$\{(\w+)(?::[-?]([^}]*))?\}/g,
    (_, name: string, rest?: string) => ({ POSTGRES_PASSWORD: 'p', SECRET_KEY: 's'.repeat(32) })[name] ?? rest ?? '',
  )

describe('docker-compose.yml', () => {
  it('runs each role in its own process', () => {
    expect(apps.map(([, service]) => service.environment?.ROLES).sort()).toEqual(['bots', 'http', 'worker'])
  })

  it.each(apps)('gives %s settings that exist and are accepted', (_, { environment = {} }) => {
    for (const name of Object.keys(environment)) expect(settingNames).toContain(name)
    const values = Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [name, substituted(String(value))]),
    )
    const config = readConfig(values)
    expect(config.databaseUrl).toContain('@postgres:5432/')
    expect(config.redisUrl).toContain('redis:6379')
    expect(values.DATA_DIR).toBe('/data')
  })

  it.each(apps)('runs %s without unnecessary rights', (_, service) => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] })
    expect(Object.keys(service.depends_on ?? {}).sort()).toEqual(['postgres', 'redis'])
  })

  it('keeps the queue when Redis is killed', () => {
    expect(compose.services.redis?.command).toContain('--appendonly yes')
  })

  it('uses only variables that .env.example lists', () => {
    const named = [...read('docker-compose.yml').matchAll(/\$\{(\w+)/g)].map((match) => match[1])
    for (const name of named) expect(read('.env.example')).toMatch(new RegExp(`^#?${name}=`, 'm'))
  })
})

describe('Dockerfile', () => {
  it('copies only files that exist and that .dockerignore lets through', () => {
    const kept = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    const copied = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(
      (match) => match[1]?.split(' ') ?? [],
    )
    expect(copied.length).toBeGreaterThan(4)
    for (const name of copied) {
      expect(existsSync(fileURLToPath(new URL(name, root))), name).toBe(true)
      expect(kept).toContain(name)
    }
  })

  it('runs without root, and sets only settings that exist', () => {
    expect(read('Dockerfile')).toMatch(/^USER node$/m)
    const set = [...(/^ENV (.+)$/m.exec(read('Dockerfile'))?.[1]?.matchAll(/(\w+)=/g) ?? [])].map((match) => match[1])
    for (const name of set) expect([...settingNames, 'NODE_ENV']).toContain(name)
  })
})

describe('.env.example', () => {
  it('lists only settings that exist', () => {
    const names = [...read('.env.example').matchAll(/^#?([A-Z_]+)=/gm)].map((match) => match[1])
    for (const name of names) expect([...settingNames, 'POSTGRES_PASSWORD']).toContain(name)
  })
})
