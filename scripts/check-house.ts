/**
 * Prints the measures of the house rules and exits with 1 if one is over its limit.
 *
 *   npm run house                     the table, and the worst places of each failure
 *   npm run house -- --all            every place
 *   tsx scripts/check-house.ts DIR    another checkout
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { groupBy } from './group.ts'
import { failed, type Measure, measureHouse } from './house.ts'

/** Places printed for each failure without `--all`. */
const shownPlaces = 10

const { values, positionals } = parseArgs({
  options: { all: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const root = positionals[0] ?? fileURLToPath(new URL('../', import.meta.url))
const measures = measureHouse(root)
const failures = measures.filter(failed)

const details = failures.flatMap((each) => ['', `${each.name}:`, ...(values.all ? places(each) : worst(each))])
process.stdout.write(`${[...table(measures), ...details].join('\n')}\n`)
process.exitCode = failures.length > 0 ? 1 : 0

function table(rows: readonly Measure[]): string[] {
  const head = ['measure', 'value', 'limit', '']
  const cells = rows.map((each) => [
    each.name,
    rounded(each.value),
    String(each.limit),
    [failed(each) ? 'FAILED' : 'ok', each.note].join('  ').trimEnd(),
  ])
  const [first = 0, second = 0, third = 0] = head.map((_, at) =>
    Math.max(...[head, ...cells].map((row) => row[at]?.length ?? 0)),
  )
  return [head, ...cells].map(([name = '', value = '', limit = '', verdict = '']) =>
    [name.padEnd(first), value.padStart(second), limit.padStart(third), verdict].join('  ').trimEnd(),
  )
}

/** Rounds up, so that a value above its limit never looks equal to it. */
function rounded(value: number): string {
  return Number.isInteger(value) ? String(value) : (Math.ceil(value * 100) / 100).toFixed(2)
}

function places({ faults }: Measure): string[] {
  return faults.map(({ file, line, text }) => `  ${file}:${line}  ${text}`)
}

/** Lists the first place of each file. Files with the most places come first. */
function worst({ faults }: Measure): string[] {
  const files = [...groupBy(faults, ({ file }) => file).values()].sort((a, b) => b.length - a.length)
  const lines = files.slice(0, shownPlaces).map((group) => {
    const more = group.length > 1 ? `  (and ${group.length - 1} more in this file)` : ''
    return group.slice(0, 1).map(({ file, line, text }) => `  ${file}:${line}  ${text}${more}`)
  })
  const hidden = files.length - shownPlaces
  return [...lines.flat(), ...(hidden > 0 ? [`  … and ${hidden} more files; --all shows every place`] : [])]
}
