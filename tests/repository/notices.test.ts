import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { notices } from '../../scripts/notices.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const text = notices(root)

describe('the notices for this project', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const names = (dev: boolean) =>
    Object.keys(packages)
      .filter((path) => path !== '' && Boolean(packages[path].dev) === dev && !packages[path].optional)
      .map((path) => `\n${path.replace(/^.*node_modules\//, '')} ${packages[path].version} · `)

  it('name every production dependency', () => {
    expect(names(false).length).toBeGreaterThan(200)
    expect(names(false).filter((name) => !text.includes(name))).toEqual([])
  })

  it('name no package that only development needs', () => {
    const production = new Set(names(false))
    expect(names(true).filter((name) => !production.has(name) && text.includes(name))).toEqual([])
  })

  it('contain the licence texts', () => {
    expect(text).toContain('Copyright (c) Matteo Collina and Undici contributors')
    expect(text).toContain('Copyright (c) 2014 Brian M. Carlson')
    expect(text.match(/contains no licence text/g)?.length ?? 0).toBeLessThan(12)
  })
})

describe('the notices for a project', () => {
  const folder = mkdtempSync(join(tmpdir(), 'notices-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  const project = async (entry: object, manifest?: object) => {
    const packages = { '': {}, 'node_modules/some': entry }
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages }))
    rmSync(join(folder, 'node_modules'), { recursive: true, force: true })
    if (manifest === undefined) return
    await mkdir(join(folder, 'node_modules/some'), { recursive: true })
    const file = join(folder, 'node_modules/some/package.json')
    writeFileSync(file, JSON.stringify({ name: 'some', version: '1.0.0', ...manifest }))
  }

  it.each([{}, { license: '' }, { license: 'UNLICENSED' }, { licenses: [] }])(
    'fail for a package without a licence: %j',
    async (manifest) => {
      await project({}, manifest)
      expect(() => notices(folder)).toThrow('some 1.0.0 names no licence')
    },
  )

  it.each([{ license: 'MIT' }, { license: { type: 'MIT' } }, { licenses: [{ type: 'MIT' }] }])(
    'read the licence of %j',
    async (manifest) => {
      await project({}, manifest)
      expect(notices(folder)).toContain('\nsome 1.0.0 · MIT\n')
    },
  )

  it('fail for a package that is not installed', async () => {
    await project({})
    expect(() => notices(folder)).toThrow('node_modules/some is not installed')
  })

  it.each([{ optional: true }, { dev: true }])('leave out a package that is not installed and %j', async (entry) => {
    await project(entry)
    expect(notices(folder)).not.toContain('some')
  })
})
