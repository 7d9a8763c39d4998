import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const src = fileURLToPath(new URL('../src/', import.meta.url))
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))

interface Import {
  from: string
  to: string
  /** Types leave nothing at run time, so they may point anywhere. */
  typeOnly: boolean
}

const imports: Import[] = files.flatMap((name) => {
  const text = readFileSync(join(src, name), 'utf8')
  return [...text.matchAll(/^(?:import|export)\s+(type\s+)?[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'/gms)].map(
    (match) => {
      const target = match[2] ?? match[3] ?? ''
      const to = target.startsWith('.') ? relative(src, resolve(src, dirname(name), target)) : target
      return { from: name, to, typeOnly: match[1] !== undefined }
    },
  )
})

const part = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : 'root')
const ours = (path: string) => path.endsWith('.ts')

/** Which parts a part may use. The root (main, compose, …) may use all. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  bots: ['bots', 'core', 'locales', 'db', 'net'],
  // the command line composes, like the root
  cli: ['root', 'bots', 'core', 'locales', 'db', 'models', 'providers', 'storage'],
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
    ['ws', /^providers\/comfyui/],
    ['undici', /^(net|providers)\//],
    ['@electric-sql/pglite', /^db\//],
    ['postgres', /^db\//],
    ['fastify', /^(http\/|bots\/web|main\.ts)/],
  ])('%s is known to its own files only', (library, where) => {
    const wrong = imports.filter(({ from, to, typeOnly }) => to === library && !typeOnly && !where.test(from))
    expect(wrong.map((each) => each.from)).toEqual([])
  })

  it('has no cycles', () => {
    const next = new Map<string, string[]>()
    for (const { from, to, typeOnly } of imports) {
      if (ours(to) && !typeOnly) next.set(from, [...(next.get(from) ?? []), to])
    }
    const cycles: string[] = []
    const visit = (file: string, path: string[]) => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '))
      else if (!done.has(file)) for (const to of next.get(file) ?? []) visit(to, [...path, file])
      done.add(file)
    }
    const done = new Set<string>()
    for (const file of files) visit(file, [])
    expect(cycles).toEqual([])
  })

  it('reads the environment in config.ts only', () => {
    const readers = files.filter((name) => /process\.env/.test(readFileSync(join(src, name), 'utf8')))
    expect(readers).toEqual(['config.ts'])
  })

  it.each([
    ['bots/commands', 'bots/commands/index.ts'],
    ['models', 'models/index.ts'],
  ])('lists every file of %s in %s', (folder, list) => {
    const text = readFileSync(join(src, list), 'utf8')
    const missing = readdirSync(join(src, folder)).filter(
      (name) => name.endsWith('.ts') && name !== 'index.ts' && !text.includes(`'./${name}'`),
    )
    expect(missing, `add a line for each to ${list}`).toEqual([])
  })
})
