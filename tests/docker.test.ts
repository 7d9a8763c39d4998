import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
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
  healthcheck?: { test: string[] }
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

  it('checks the health of all roles in the same way', () => {
    const tests = apps.map(([, service]) => JSON.stringify(service.healthcheck?.test))
    expect(new Set(tests).size).toBe(1)
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

  it('gives every role a PORT, so that each answers the health check', () => {
    expect(read('Dockerfile')).toMatch(/^ENV .*\bPORT=8080\b/m)
    expect(read('Dockerfile')).toMatch(/^EXPOSE 8080$/m)
  })
})

const checks: [name: string, path: string, command: string[]][] = [
  ['the HEALTHCHECK of the image', '/healthz', healthcheckOf(read('Dockerfile'))],
  ['the health check of the services', '/readyz', apps[0]?.[1].healthcheck?.test ?? []],
]

describe.each(checks)('%s', (_, path, command) => {
  it.each([
    [200, 0],
    [503, 1],
  ])(`turns ${path} with %i into exit code %i`, async (status, code) => {
    const server = createServer((request, response) => response.writeHead(request.url === path ? status : 404).end())
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
    )
    expect(await exitCode(command, port)).toBe(code)
    server.close()
  })

  it('fails when nothing listens', async () => {
    expect(await exitCode(command, 1)).toBe(1)
  })
})

function healthcheckOf(dockerfile: string): string[] {
  return ['CMD', ...JSON.parse(/^HEALTHCHECK [^[]*CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]')]
}

/** Runs the program of a health check as Docker would, against `port` instead of 8080. */
function exitCode([kind, program, ...args]: readonly string[], port: number): Promise<number> {
  expect([kind, program]).toEqual(['CMD', 'node'])
  const here = args.map((arg) => arg.replace('127.0.0.1:8080', `127.0.0.1:${port}`))
  return new Promise((resolve) => {
    execFile(process.execPath, here, { env: { PORT: String(port) } }, (error) =>
      resolve(error ? Number(error.code) : 0),
    )
  })
}

describe('.env.example', () => {
  it('lists only settings that exist', () => {
    const names = [...read('.env.example').matchAll(/^#?([A-Z_]+)=/gm)].map((match) => match[1])
    for (const name of names) expect([...settingNames, 'POSTGRES_PASSWORD']).toContain(name)
  })
})
