/** What benchmarks measure and print with. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Linux counts a process's time in hundredths of a second, whatever its clock. */
const tickMs = 10
const megabyte = 1024 * 1024

export const median = (values: readonly number[]) => quantile(values, 0.5)

export function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] ?? 0
}

/** 'median (least–most)'. */
export function range(values: readonly number[], digits: number): string {
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)]
  return `${middle.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`
}

/** The first row is the head. */
export function printTable(table: readonly (readonly string[])[]): void {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`
  const [head = [], ...rows] = table
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  say([line(head), rule, ...rows.map(line)].join('\n'))
}

/** Ends this process where processes cannot be looked at from outside. */
export function needLinux(): void {
  if (process.platform === 'linux') return
  say('This benchmark reads /proc: run it on Linux, or in a container.')
  process.exit(0)
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Time on processors of that process and all its threads since it started, user and system. */
export function cpuMs(pid: number): number {
  // the name before it may hold spaces and brackets
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * tickMs
}

/** Memory that it holds now. */
export function residentMb(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  return (pages * 4096) / megabyte
}

/** Sockets that it has open, those of databases among them. */
export function openSockets(pid: number): number {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).filter((name) => {
    try {
      return readlinkSync(`${folder}/${name}`).startsWith('socket:')
    } catch {
      // closed since
      return false
    }
  }).length
}
