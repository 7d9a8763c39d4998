/**
 * Collects the licences of the production dependencies from node_modules. The Dockerfile keeps the output in the image as
 * THIRD-PARTY-NOTICES. Node 24 and newer run this file without a build: node scripts/notices.ts > THIRD-PARTY-NOTICES
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The notices for the project in `root`. Throws when a package is missing or names no licence. */
export function notices(root: string): string {
  const packages = productionPackages(root)
  const mistakes = packages.flatMap(({ name, version, license }) =>
    license === undefined ? [`${name} ${version} names no licence: ask its authors, or remove it`] : [],
  )
  if (mistakes.length > 0) throw new Error(mistakes.join('\n'))
  return `${preface}${packages.map(section).join('')}`
}

const preface = `fluxbot contains the packages below, each under the licence named beside it.
Node.js and the packages of the base image keep their own notices in /usr/local/LICENSE and /usr/share/doc.
`

/** Code that a package contains without a notice of its own. */
const bundled: Readonly<Record<string, string>> = {
  '@fastify/swagger-ui':
    'Its folder static is Swagger UI (https://github.com/swagger-api/swagger-ui), under Apache-2.0.',
}

interface Package {
  name: string
  version: string
  /** An SPDX expression. Absent: the package names none. */
  license?: string
  author?: string
  homepage?: string
  texts: string[]
}

/** What `npm ci --omit=dev` installs, sorted by name. Optional packages for other platforms are left out. */
function productionPackages(root: string): Package[] {
  const lockfile: Lockfile = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const found = new Map<string, Package>()
  for (const [path, entry] of Object.entries(lockfile.packages)) {
    if (path === '' || entry.dev) continue
    const folder = join(root, path)
    if (existsSync(join(folder, 'package.json'))) {
      const each = readPackage(folder)
      found.set(`${each.name} ${each.version}`, each)
    } else if (!entry.optional) {
      throw new Error(`${path} is not installed; run: npm ci`)
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

interface Lockfile {
  packages: Record<string, { dev?: boolean; optional?: boolean }>
}

function readPackage(folder: string): Package {
  const manifest: Manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const { name, version, author, homepage } = manifest
  const files = licenceFiles(folder).map((file) => readFileSync(join(folder, file), 'utf8').trim())
  return {
    name,
    version,
    license: licenceOf(manifest),
    author: typeof author === 'string' ? author : author?.name,
    homepage,
    texts: files.length > 0 ? files : licenceInReadme(folder),
  }
}

interface Manifest {
  name: string
  version: string
  license?: string | { type: string }
  /** The form of old packages. */
  licenses?: { type: string }[]
  author?: string | { name: string }
  homepage?: string
}

function licenceOf({ license, licenses }: Manifest): string | undefined {
  const named = typeof license === 'object' ? license.type : (license ?? licenses?.map(({ type }) => type).join(' OR '))
  return named === '' || named === 'UNLICENSED' ? undefined : named
}

function licenceFiles(folder: string): string[] {
  const isLicence = /(^|[/\\])(licen[cs]e|copying|copyright|notice|third.?party)[^/\\]*$/i
  // hidden folders hold leftovers of the package's authors, and node_modules holds packages with a section of their own
  const elsewhere = /(^|[/\\])(node_modules|\.[^/\\]+)[/\\]/
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name).slice(folder.length + 1))
    .filter((file) => isLicence.test(file) && !elsewhere.test(file) && !/\.[cm]?[jt]s(\.map)?$/.test(file))
    .sort()
}

/** The section about the licence, up to the next heading. */
function licenceInReadme(folder: string): string[] {
  const readme = readdirSync(folder).find((name) => /^readme/i.test(name))
  if (readme === undefined) return []
  const text = readFileSync(join(folder, readme), 'utf8')
  const section = /^#+ *licen[cs](?:e|ing)\b.*\n([\s\S]*?)(?=^#|$(?![\s\S]))/im.exec(text)?.[1]?.trim()
  return section ? [section] : []
}

function section({ name, version, license, author, homepage, texts }: Package): string {
  const heading = [`${name} ${version}`, license, author, homepage].filter((part) => part !== undefined).join(' · ')
  const body = texts.length > 0 ? texts : ['The package contains no licence text: see https://spdx.org/licenses/.']
  return `\n${'-'.repeat(80)}\n${[heading, bundled[name], ...body].filter((part) => part !== undefined).join('\n\n')}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(notices(fileURLToPath(new URL('../', import.meta.url))))
}
