import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readImports } from '../scripts/imports.ts'

const src = fileURLToPath(new URL('../src/', import.meta.url))
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))

// types leave nothing at run time, so the rules below let them point anywhere; `npm run house` counts them in cycles
const imports = readImports(src)

const part = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : 'root')
const ours = (path: string) => path.endsWith('.ts')

/** Which parts a part may use. The root (main, compose, …) may use all. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  bots: ['bots', 'core', 'locales', 'db', 'net'],
  // the command line composes, like the root
  cli: ['cli', 'root', 'bots', 'core', 'locales', 'db', 'models', 'providers', 'queue', 'storage'],
  http: ['http', 'core', 'locales', 'net'],
  models: ['models', 'core', 'db'],
  net: ['net'],
  providers: ['providers', 'core', 'net', 'db'],
  queue: ['queue', 'core'],
  storage: ['storage', 'core'],
  core: ['core', 'db', 'locales'],
  db: ['db'],
  locales: ['locales'],
}

describe('the import rule', () => {
  it.each(Object.keys(allowed))('%s uses only what stands below it', (from) => {
    const wrong = imports.filter(
      (each) => part(each.from) === from && ours(each.to) && !each.typeOnly && !allowed[from]?.includes(part(each.to)),
    )
    expect(wrong.map((each) => `${each.from} → ${each.to}`)).toEqual([])
  })

  it.each([
    ['bullmq', /^queue\//],
    ['ioredis', /^queue\//],
    ['discord-api-types/v10', /^bots\/discord/],
    ['@discordjs/rest', /^bots\/discord/],
    ['@discordjs/ws', /^bots\/discord/],
    ['grammy', /^bots\/telegram/],
    ['sharp', /^(storage|providers)\//],
    ['cos-nodejs-sdk-v5', /^storage\/cos\.ts$/],
    ['@aws-sdk/client-s3', /^storage\/s3\.ts$/],
    ['@aws-sdk/s3-request-presigner', /^storage\/s3\.ts$/],
    ['ws', /^providers\/comfyui/],
    ['undici', /^(net|providers)\//],
    ['@electric-sql/pglite', /^db\//],
    ['postgres', /^db\//],
    ['@opentelemetry/api', /^core\/trace\.ts$/],
    ['@opentelemetry/sdk-trace-node', /^telemetry\.ts$/],
    ['fastify', /^(http\/|bots\/web|main\.ts)/],
  ])('%s is known to its own files only', (library, where) => {
    const wrong = imports.filter(({ from, to, typeOnly }) => to === library && !typeOnly && !where.test(from))
    expect(wrong.map((each) => each.from)).toEqual([])
  })

  it('has no row type that the schema does not check, unless a comment says why', () => {
    const unchecked = files.flatMap((name) => {
      const lines = readFileSync(join(src, name), 'utf8').split('\n')
      const isUnchecked = (line: string, at: number) =>
        /\.rows<(?!Row>)/.test(line) && !lines[at - 1]?.includes('// unchecked row: ')
      return lines.flatMap((line, at) => (isUnchecked(line, at) ? [`${name}:${at + 1}`] : []))
    })
    expect(unchecked).toEqual([])
  })

  it('reads the environment in config.ts only', () => {
    const readers = files.filter((name) => /process\.env/.test(readFileSync(join(src, name), 'utf8')))
    expect(readers).toEqual(['config.ts'])
  })

  it.each([
    ['bots/commands', 'bots/commands/index.ts', true],
    ['bots/actions', 'bots/actions/index.ts', true],
    ['models', 'models/index.ts', false],
  ])('lists every file of %s in %s', (folder, list, recursive) => {
    const text = readFileSync(join(src, list), 'utf8')
    const names = readdirSync(join(src, folder), { recursive, encoding: 'utf8' })
    // other files of a folder serve the ones that are listed
    const declares = (name: string) =>
      /^export const \w+(Command|Action)?\b/m.test(readFileSync(join(src, folder, name), 'utf8'))
    const missing = names.filter(
      (name) => name.endsWith('.ts') && name !== 'index.ts' && declares(name) && !text.includes(`'./${name}'`),
    )
    expect(missing, `add a line for each to ${list}`).toEqual([])
  })
})
