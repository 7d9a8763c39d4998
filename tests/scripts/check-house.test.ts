import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { failed, measureHouse } from '../../scripts/house.ts'

type Files = Readonly<Record<string, string>>

const script = fileURLToPath(new URL('../../scripts/check-house.ts', import.meta.url))
const parent = mkdtempSync(join(tmpdir(), 'house-'))
let root = ''

const clean: Files = {
  'src/main.ts': "/** Starts the service. */\nimport { log } from './log.ts'\nlog('started')\n",
  'src/log.ts': '/** Writes a line. */\nexport const log = (line: string) => process.stdout.write(line)\n',
  'src/locales/en.ts': "/** English texts. */\nexport const en = { done: 'Your picture is ready.' }\n",
  'tests/log.test.ts': "// the log\nimport { it } from 'vitest'\nit('writes a line', () => undefined)\n",
  'bench/log.ts': '// Measures the log.\n',
  'scripts/log.ts': '// Prints the log.\n',
  'public/app.js': "// Shows the picture.\ndocument.title = 'fluxbot'\n",
  'public/app.css': '/* Page colours. */\na::after { content: "/* nobody */" }\n',
  'public/index.html': '<!-- The page. -->\n<title>fluxbot</title>\n',
  'README.md': '# fluxbot\n',
  'docs/architecture.md': '# Architecture\n',
}

beforeEach(() => {
  root = mkdtempSync(join(parent, 'root-'))
  write(clean)
})

afterAll(() => rmSync(parent, { recursive: true }))

function write(files: Files): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

/** Names of the failed measures, each with its places. */
function failures(): Record<string, string[]> {
  const measures = measureHouse(root).filter(failed)
  return Object.fromEntries(
    measures.map(({ name, faults }) => [name, faults.map(({ file, line, text }) => `${file}:${line} ${text}`)]),
  )
}

function run(...args: string[]): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--import', 'tsx', script, ...args], (error, stdout, stderr) => {
      if (stderr) reject(new Error(stderr))
      else resolve({ code: Number(error?.code ?? 0), stdout })
    })
  })
}

const lines = (count: number) => 'export {}\n'.repeat(count)
const folder = (path: string, count: number): Files =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`${path}/${at}.ts`, lines(1)]))

describe('npm run house', () => {
  it('passes a clean tree', async () => {
    expect(failures()).toEqual({})
    const { code, stdout } = await run(root)
    expect(stdout).toMatch(/^import cycles in src, types included +0 +0 {2}ok$/m)
    expect(stdout).not.toContain('FAILED')
    expect(code).toBe(0)
  })

  it('fails and prints the worst places first', async () => {
    write({
      'src/a.ts': '// nobody\n',
      'src/b.ts': `${'// a comment\n'.repeat(7)}// whoever\n\n// whatever\n`,
    })
    const { code, stdout } = await run(root)
    expect(stdout).toMatch(/^words in 100 comment lines of src +23\.08 +1\.5 {2}FAILED {2}3 in 13 lines$/m)
    expect(stdout).toContain(
      'words in 100 comment lines of src:\n' +
        '  src/b.ts:8  “whoever”: // whoever  (and 1 more in this file)\n' +
        '  src/a.ts:1  “nobody”: // nobody\n',
    )
    expect(code).toBe(1)
    const all = await run(root, '--all')
    expect(all.stdout).toContain('  src/b.ts:10  “whatever”: // whatever\n')
  })

  it('refuses a folder without sources', () => {
    expect(() => measureHouse(join(root, 'docs'))).toThrow('No source files')
  })

  it('names the place of a syntax error', () => {
    write({ 'src/a.ts': 'export {}\nconst = 1\n' })
    expect(() => measureHouse(root)).toThrow('src/a.ts:2')
  })
})

describe('listed words', () => {
  it.each([
    ['words in 100 comment lines of src', 'src/a.ts', '/** Whoever asks. */'],
    ['words in 100 comment lines of tests', 'tests/a.ts', '// nobody'],
    ['words in 100 comment lines of bench', 'bench/a.ts', '// nobody'],
    ['words in 100 comment lines of scripts', 'scripts/a.ts', '// nobody'],
    ['words in 100 comment lines of public', 'public/a.js', '// nobody'],
    ['words in 100 comment lines of public', 'public/a.css', '/* nobody */'],
    ['words in 100 comment lines of public', 'public/a.html', '<!-- nobody -->'],
    ['words in 100 lines of documents', 'README.md', 'nobody'],
    ['words in 100 lines of documents', 'CONTRIBUTING.md', 'nobody'],
    ['words in 100 lines of documents', 'docs/decisions/a.md', 'nobody'],
    ['words in texts for users', 'src/locales/page.en.ts', "export const en = 'Nobody draws.'"],
    ['words in texts for users', 'public/app.js', "document.title = 'nobody'"],
    ['words in texts for users', 'public/index.html', '<p>Nobody draws.</p>'],
    ['words in other strings of src (logs, errors)', 'src/a.ts', "throw new Error('nobody draws')"],
    ['words in other strings of src (logs, errors)', 'src/a.ts', `log(\`\${a ? \`nobody \${b}\` : ''} draws\`)`],
    ['words in other strings of src (logs, errors)', 'src/a.ts', "log('a line\\nnobody draws')"],
    ['words in other strings of src (logs, errors)', 'src/a.ts', "log('not any\\nmore')"],
    ['words in test titles', 'tests/a.test.ts', "it('is nobody’s', () => undefined)"],
    ['words in test titles', 'tests/a.test.ts', "it.skipIf(slow).each(['a'])('of whom %s', run)"],
    ['words in test titles', 'tests/a.test.ts', `describe(\`\${name}, to whom\`, run)`],
    ['words in test titles', 'tests/a.test.ts', "test.concurrent('a' + ' nobody', run)"],
  ])('are counted as %s in %s: %s', (name, path, text) => {
    write({ [path]: `\n${text}\n` })
    expect(failures()).toEqual({ [name]: [expect.stringMatching(`^${path}:2 `)] })
  })

  it.each([
    'Nobody',
    'somebody',
    'everybody',
    'anybody',
    'whoever',
    'whatever',
    'wherever',
    'of whom',
    'to whom',
    'is told',
    'was told',
    'be told',
    'are told',
    'in so many words',
    'not any more',
  ])('include "%s"', (word) => {
    write({ 'src/a.ts': `// (${word})\n` })
    expect(failures()).toEqual({ 'words in 100 comment lines of src': [expect.stringContaining('src/a.ts:1')] })
  })

  it('are found across a line break in a comment', () => {
    write({ 'src/a.ts': '/**\n * A request of\n * whom.\n */\n// The caller is\n  // told.\n' })
    expect(failures()).toEqual({
      'words in 100 comment lines of src': [
        expect.stringContaining('src/a.ts:2 “of whom”'),
        expect.stringContaining('src/a.ts:5 “is told”'),
      ],
    })
  })

  it('are ignored in names, regular expressions, and the strings of tests', () => {
    write({
      'src/a.ts': "export const nobody = { whoever: /nobody '/, manybody: 1 }\nexport const b = `//` // '\n",
      'tests/a.test.ts': "it.each(['nobody'])('asks %s', () => expect('whoever'))\n",
    })
    expect(failures()).toEqual({})
  })

  it('count once as comment or string, also next to comment marks in strings and regular expressions', () => {
    write({
      'src/a.ts': [
        "const url = 'https://a/nobody'",
        `const nested = \`\${x ? \`/* \${'//'} whoever */\` : 1}\``,
        'const pattern = /[/*]"/.test(url) // whatever',
        'const half = 4 / 2 /* everybody */ / 1',
      ].join('\n'),
    })
    expect(failures()).toEqual({
      'words in 100 comment lines of src': [
        expect.stringContaining('src/a.ts:3 “whatever”'),
        expect.stringContaining('src/a.ts:4 “everybody”'),
      ],
      'words in other strings of src (logs, errors)': [
        expect.stringContaining('src/a.ts:1 “nobody”'),
        expect.stringContaining('src/a.ts:2 “whoever”'),
      ],
    })
  })

  it('pass in comments up to 1.5 times in 100 lines', () => {
    // the clean tree has 3 comment lines
    write({ 'src/a.ts': `// nobody\n// nobody\n// nobody\n${'// a line\n'.repeat(194)}/*\n */` })
    expect(failures()).toEqual({})
    write({ 'src/a.ts': `// nobody\n// nobody\n// nobody\n${'// a line\n'.repeat(193)}/*\n */` })
    expect(failures()).toHaveProperty(['words in 100 comment lines of src'])
  })
})

describe('import cycles', () => {
  it.each([
    "import { a } from './a.ts'",
    "import './a.ts'",
    "import type { A } from './a.ts'",
    "import { type A } from './a.js'",
    "export { a } from './a.ts'",
    "export * from './a.ts'",
    "export type { A } from './a.ts'",
    "export type B = import('./a.ts').A",
    "export type B = typeof import('./a.ts')",
    "export const a = await import('./a.ts')",
  ])('are found through %s', (statement) => {
    write({ 'src/x/a.ts': "\nimport { b } from '../x/b.ts'\n", 'src/x/b.ts': statement })
    expect(failures()).toEqual({
      'import cycles in src, types included': ['src/x/a.ts:2 → src/x/b.ts:1 → src/x/a.ts'],
    })
  })

  it('are listed once each, the shortest first', () => {
    write({
      'src/a.ts': "import './b.ts'\nimport type { B } from './b.ts'\n",
      'src/b.ts': "import './c.ts'\n",
      'src/c.ts': "import './a.ts'\nimport './c.ts'\nimport './log.ts'\n",
    })
    expect(failures()).toEqual({
      'import cycles in src, types included': [
        'src/c.ts:2 → src/c.ts',
        'src/a.ts:1 → src/b.ts:1 → src/c.ts:1 → src/a.ts',
      ],
    })
  })
})

describe('sizes', () => {
  it('limits files and folders of src', () => {
    write({ 'src/a.ts': lines(300), ...folder('src/x', 16), ...folder('src/x/y', 16) })
    expect(failures()).toEqual({})
    write({ 'src/a.ts': lines(301), ...folder('src/x', 17) })
    expect(failures()).toEqual({
      'lines of the longest file in src': ['src/a.ts:1 301 lines'],
      'files in the largest folder of src': ['src/x:1 17 files'],
    })
  })

  it('exempts languages, but not the list of them', () => {
    write({ 'src/locales/zh.ts': lines(1000) })
    expect(failures()).toEqual({})
    write({ 'src/locales/index.ts': lines(301) })
    expect(failures()).toEqual({ 'lines of the longest file in src': ['src/locales/index.ts:1 301 lines'] })
  })

  it('limits files and folders of tests', () => {
    write({ 'tests/a.ts': lines(600), ...folder('tests/x', 40) })
    expect(failures()).toEqual({})
    write({ 'tests/a.ts': lines(601), ...folder('tests/x', 41) })
    expect(failures()).toEqual({
      'lines of the longest file in tests': ['tests/a.ts:1 601 lines'],
      'files in the largest folder of tests': ['tests/x:1 41 files'],
    })
  })
})
