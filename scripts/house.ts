/** What `npm run house` measures: the language of the texts, import cycles, and the sizes of files and folders. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'
import { groupBy } from './group.ts'
import { findCycles, importsOf } from './imports.ts'
import { commentsOf, type Passage, parseFile, type Source, stringsOf, titlesOf } from './source.ts'
import { findWords, mayHaveWords } from './words.ts'

export interface Measure {
  name: string
  value: number
  /** Largest value that passes. */
  limit: number
  /** Figures behind the value. */
  note?: string
  /** Places that raise the value, also while it passes. */
  faults: readonly Fault[]
}

export interface Fault {
  /** Path below the root. */
  file: string
  line: number
  text: string
}

/** Listed words in 100 lines of comments or documents. */
const wordLimit = 1.5
const areas = ['src', 'tests', 'bench', 'scripts', 'public']
const documents = /^(?:(?:README|CONTRIBUTING|CHANGELOG|SECURITY)\.md|(?:docs|bench)\/.*\.md)$/
const code = /\.(?:ts|js)$/
const readable = /\.(?:ts|js|css|html|md)$/
const userTexts = /^(?:src\/locales\/|public\/)/
/** Exempt from the limit on lines: a language is one file. */
const language = /^src\/locales\/(?!index\.ts)[^/]+\.ts$/

const sizes = [
  { area: 'src', lines: 300, files: 16 },
  { area: 'tests', lines: 600, files: 40 },
]

export const failed = ({ value, limit }: Measure) => value > limit

/** Measures the checkout in the folder `root`. */
export function measureHouse(root: string): Measure[] {
  const paths = [...areas, 'docs'].flatMap((area) => filesBelow(root, area)).concat(rootFiles(root))
  const sources = paths.filter((path) => readable.test(path)).map((path) => readSource(root, path))
  const inSrc = sources.filter(({ path }) => path.startsWith('src/') && code.test(path))
  // a wrong root would pass every check
  if (inSrc.length === 0) throw new Error(`No source files in ${join(root, 'src')}: give the root of a checkout.`)
  const texts = sources.filter(({ path }) => userTexts.test(path))
  const messages = inSrc.filter(({ path }) => !userTexts.test(path))
  const tests = sources.filter(({ path }) => path.startsWith('tests/') && code.test(path))
  return [
    ...areas.map((area) => {
      const ofArea = sources.filter(({ path }) => path.startsWith(`${area}/`) && !path.endsWith('.md'))
      return density(`words in 100 comment lines of ${area}`, ofArea, commentsOf)
    }),
    density(
      'words in 100 lines of documents',
      sources.filter(({ path }) => documents.test(path)),
      ({ text }) => [{ text, start: 0 }],
    ),
    count('words in texts for users', texts, stringsOf),
    count('words in other strings of src (logs, errors)', messages, stringsOf),
    count('words in test titles', tests, titlesOf),
    cycles(inSrc),
    ...sizes.flatMap(({ area, lines, files }) => [
      longestFile(area, lines, sources),
      largestFolder(area, files, paths),
    ]),
  ]
}

type PassagesOf = (source: Source) => readonly Passage[]

function density(name: string, sources: readonly Source[], passagesOf: PassagesOf): Measure {
  const faults = sources.flatMap((source) => wordFaults(source, passagesOf(source)))
  const lines = sources.flatMap(passagesOf).flatMap(({ text }) => text.split('\n'))
  // excludes blank lines and lines such as '/**'
  const total = lines.filter((line) => /[\p{L}\p{N}]/u.test(line)).length
  const value = total === 0 ? 0 : (100 * faults.length) / total
  return { name, value, limit: wordLimit, note: `${faults.length} in ${total} lines`, faults }
}

function count(name: string, sources: readonly Source[], passagesOf: PassagesOf): Measure {
  const suspects = sources.filter(({ text }) => mayHaveWords(text))
  const faults = suspects.flatMap((source) => wordFaults(source, passagesOf(source)))
  return { name, value: faults.length, limit: 0, faults }
}

function wordFaults(source: Source, passages: readonly Passage[]): Fault[] {
  const lines = source.text.split('\n')
  return passages.flatMap((passage) =>
    findWords(passage.text).map(({ word, newlines }) => {
      const line = source.lineAt(passage.start) + newlines
      return { file: source.path, line, text: `“${word}”: ${shorten(lines[line - 1] ?? '')}` }
    }),
  )
}

function shorten(line: string): string {
  const text = line.trim()
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}

function cycles(sources: readonly Source[]): Measure {
  const faults = findCycles(sources.flatMap(importsOf)).map(([first, ...rest]) => ({
    file: first.from,
    line: first.line,
    text: [...rest.map(({ from, line }) => `→ ${from}:${line}`), `→ ${first.from}`].join(' '),
  }))
  return { name: 'import cycles in src, types included', value: faults.length, limit: 0, faults }
}

function longestFile(area: string, limit: number, sources: readonly Source[]): Measure {
  const lengths = sources
    .filter(({ path }) => path.startsWith(`${area}/`) && code.test(path) && !language.test(path))
    .map(({ path, text }) => ({ path, size: text.split('\n').length - (text.endsWith('\n') ? 1 : 0) }))
  return largest(`lines of the longest file in ${area}`, limit, lengths, 'lines')
}

function largestFolder(area: string, limit: number, paths: readonly string[]): Measure {
  const inArea = paths.filter((path) => path.startsWith(`${area}/`))
  const folders = [...groupBy(inArea, (path) => dirname(path))]
  const counts = folders.map(([path, files]) => ({ path, size: files.length }))
  return largest(`files in the largest folder of ${area}`, limit, counts, 'files')
}

function largest(name: string, limit: number, sized: readonly { path: string; size: number }[], unit: string): Measure {
  const sorted = sized.toSorted((a, b) => b.size - a.size)
  const over = sorted.filter(({ size }) => size > limit)
  return {
    name,
    value: sorted[0]?.size ?? 0,
    limit,
    note: over.length > 0 ? `${over.length} over the limit` : '',
    faults: over.map(({ path, size }) => ({ file: path, line: 1, text: `${size} ${unit}` })),
  }
}

function readSource(root: string, path: string): Source {
  return parseFile(path, readFileSync(join(root, path), 'utf8'))
}

function rootFiles(root: string): string[] {
  return readdirSync(root).filter((name) => documents.test(name))
}

/** Sorted paths relative to `root`, without installed packages. */
function filesBelow(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return []
  const entries = readdirSync(join(root, folder), { withFileTypes: true })
  return entries
    .filter(({ name }) => name !== 'node_modules')
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`
      return entry.isDirectory() ? filesBelow(root, path) : [path]
    })
    .sort()
}
