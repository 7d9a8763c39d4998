/** Reads which modules import which, and finds cycles among them. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'
import { groupBy } from './group.ts'
import { parseFile, type Source, visit } from './source.ts'

export interface Import {
  /** Path of the importing file. */
  from: string
  /** Path of the imported file, or the name of a package. */
  to: string
  line: number
  /** `import type`, `export type` or a type such as `import('x').Y`: absent at run time. */
  typeOnly: boolean
}

/** Reads the imports of all TypeScript files below a folder; paths are relative to it. */
export function readImports(folder: string): Import[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  return files.flatMap((name) => importsOf(parseFile(name, readFileSync(join(folder, name), 'utf8'))))
}

export function importsOf({ path, parsed, lineAt }: Source): Import[] {
  const imports: Import[] = []
  const add = (source: { value: unknown; start: number } | null, typeOnly: boolean) => {
    if (typeof source?.value !== 'string') return
    imports.push({ from: path, to: resolved(path, source.value), line: lineAt(source.start), typeOnly })
  }
  if (!parsed) return imports
  visit(parsed.program, {
    ImportDeclaration: ({ source, importKind }) => add(source, importKind === 'type'),
    ExportNamedDeclaration: ({ source, exportKind }) => add(source, exportKind === 'type'),
    ExportAllDeclaration: ({ source, exportKind }) => add(source, exportKind === 'type'),
    ImportExpression: ({ source }) => add(source.type === 'Literal' ? source : null, false),
    TSImportType: ({ source }) => add(source, true),
  })
  return imports
}

/** Finds the shortest cycle through each import that is on one. Lists each cycle once, the shortest first. */
export function findCycles(imports: readonly Import[]): [Import, ...Import[]][] {
  const byFile = groupBy(imports, ({ from }) => from)
  const cycles = new Map<string, [Import, ...Import[]]>()
  for (const each of imports) {
    const back = shortestPath(byFile, each.to, each.from)
    if (!back) continue
    const cycle = fromFirstName([each, ...back])
    cycles.set(cycle.map(({ from }) => from).join(' '), cycle)
  }
  return [...cycles.values()].sort((a, b) => a.length - b.length)
}

/** Breadth-first search. Empty: `from` is `to`. Absent: there is no path. */
function shortestPath(byFile: ReadonlyMap<string, Import[]>, from: string, to: string): Import[] | undefined {
  const paths = new Map<string, Import[]>([[from, []]])
  // iterating a Map includes entries added during the iteration
  for (const [file, path] of paths) {
    if (file === to) return path
    for (const next of byFile.get(file) ?? []) if (!paths.has(next.to)) paths.set(next.to, [...path, next])
  }
  return undefined
}

/** A cycle starts with its first name in the alphabet, so that it is counted once. */
function fromFirstName(cycle: [Import, ...Import[]]): [Import, ...Import[]] {
  const names = cycle.map(({ from }) => from)
  const at = names.indexOf(names.toSorted()[0] ?? '')
  return [...cycle.slice(at), ...cycle.slice(0, at)] as [Import, ...Import[]]
}

/** Relative imports name a file with its extension (NodeNext); tsc takes `.js` for the `.ts` it is built from. */
function resolved(from: string, name: string): string {
  return name.startsWith('.') ? join(dirname(from), name).replace(/\.js$/, '.ts') : name
}
