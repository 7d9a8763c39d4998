/** Measures processes and prints tables. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Linux reports the processor time of a process in hundredths of a second. */
const tickMs = 10
const megabyte = 1024 * 1024

export const median = (values: readonly number[]) => quantile(values, 0.5)

export function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] ?? 0
}

/** Formats values as 'median (minimum–maximum)'. */
export function range(values: readonly number[], digits: number): string {
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)]
  return `${middle.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`
}

/** Prints a Markdown table, whose first row is the head. */
export function printTable(table: readonly (readonly string[])[]): void {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`
  const [head = [], ...rows] = table
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  say([line(head), rule, ...rows.map(line)].join('\n'))
}

/** Exits where the system has no /proc. */
export function needLinux(): void {
  if (process.platform === 'linux') return
  say('This benchmark reads /proc: run it on Linux, or in a container.')
  process.exit(0)
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** User and system time of the process and its threads since its start. */
export function cpuMs(pid: number): number {
  // skips the process name, which can contain spaces and brackets
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * tickMs
}

/** Resident memory of the process. */
export function residentMb(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  return (pages * 4096) / megabyte
}

/** Number of open sockets of the process, including those to databases. */
export function openSockets(pid: number): number {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).filter((name) => {
    try {
      return readlinkSync(`${folder}/${name}`).startsWith('socket:')
    } catch {
      // closed in the meantime
      return false
    }
  }).length
}
