import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')

interface Entry {
  version?: string
  integrity?: string
  hasInstallScript?: boolean
}

describe.each(['', 'bench/gateway/', 'tests/lts/'])('%spackage-lock.json', (folder) => {
  const text = read(`${folder}package-lock.json`)
  const { packages }: { packages: Record<string, Entry> } = JSON.parse(text)
  const entries = Object.entries(packages).filter(([path]) => path !== '')

  // npm leaves hashes out when it writes the file from an installed node_modules. Cure: delete the entries without a hash,
  // then run: npm install --package-lock-only, in a folder without node_modules
  it('has a SHA-512 hash for every package', () => {
    const wrong = entries.filter(([, { integrity }]) => !/^sha512-[\w+/]{86}==$/.test(integrity ?? ''))
    expect(wrong.map(([path]) => path)).toEqual([])
  })

  // .npmrc sets omit-lockfile-registry-resolved, so that every machine installs from the registry it is configured for
  it('names no host to download from', () => {
    expect(text).not.toContain('"resolved"')
    expect(entries.filter(([, { version }]) => !/^\d+\.\d+\.\d+/.test(version ?? ''))).toEqual([])
  })

  it('has install scripts only in packages that package.json decides about', () => {
    const { allowScripts = {} } = JSON.parse(read(`${folder}package.json`))
    const scripted = entries.filter(([, { hasInstallScript }]) => hasInstallScript)
    const names = scripted.map(([path]) => path.replace(/^.*node_modules\//, ''))
    expect([...new Set(names)].sort()).toEqual(Object.keys(allowScripts).sort())
  })
})
