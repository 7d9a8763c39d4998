/**
 * One process at a time in a data folder: two embedded databases on the same files lose rows without any error.
 *
 * The lock is a folder, `<data>/lock/`, holding one file whose name no other process ever uses. It is prepared aside
 * and put in place by rename, which fails while the target holds a file: of many takers one wins. A dead holder is
 * removed by its file's own name, so a late remover can never hit the lock that somebody else has taken meanwhile.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const touchEveryMs = 5_000
const staleAfterMs = 20_000
/** A process that was killed takes a moment to go. */
const dyingMs = 1_500

export interface FolderLock {
  /** True when another process took the lock although we still run (we were suspended, on another machine). */
  lost(): boolean
  release(): Promise<void>
}

interface Holder {
  pid: number
  /** When the process started, in the kernel's own count: tells a process from a later one with the same pid. */
  start?: string
  /** Machine, boot and pid namespace: only where these agree does a pid mean the same process. */
  scope: string
  host: string
}

/** Rejects with one sentence saying who holds the folder and what to do. */
export async function lockFolder(dataDir: string, patienceMs = dyingMs): Promise<FolderLock> {
  await mkdir(dataDir, { recursive: true })
  const lock = join(resolve(dataDir), 'lock')
  const name = `${process.pid}-${randomUUID()}.json`
  const aside = `${lock}.${name}`
  await mkdir(aside)
  await writeFile(join(aside, name), JSON.stringify(self()))
  try {
    const until = Date.now() + patienceMs
    while (!(await putInPlace(aside, lock))) await removeDeadHolder(lock, dataDir, until)
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
  return keep(lock, join(lock, name))
}

function keep(lock: string, file: string): FolderLock {
  let lost = false
  const timer = setInterval(() => {
    const now = new Date()
    utimes(file, now, now).catch((error: NodeJS.ErrnoException) => {
      lost ||= error.code === 'ENOENT'
    })
  }, touchEveryMs)
  timer.unref()
  return {
    lost: () => lost,
    async release() {
      clearInterval(timer)
      await rm(file, { force: true })
      await rmdir(lock).catch(() => {})
    },
  }
}

async function putInPlace(aside: string, lock: string): Promise<boolean> {
  // Removes only an empty folder; Windows does not rename over one.
  await rmdir(lock).catch(() => {})
  try {
    const now = new Date()
    for (const file of await readdir(aside)) await utimes(join(aside, file), now, now)
    await rename(aside, lock)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (['ENOTEMPTY', 'EEXIST', 'EPERM', 'EACCES', 'ENOTDIR'].includes(code) && (await holderFile(lock))) return false
    // The holder left between the two looks.
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
    throw error
  }
}

async function removeDeadHolder(lock: string, dataDir: string, until: number): Promise<void> {
  const file = await holderFile(lock)
  if (!file) return
  const holder = await readHolder(file)
  const near = holder?.scope === self().scope
  const alive = near ? processAlive(holder) : await heartbeats(file)
  if (alive === undefined) return
  if (alive && near && Date.now() < until) return sleep(50)
  if (alive) throw new Error(refusal(dataDir, holder))
  await unlink(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}

function refusal(dataDir: string, holder: Holder | undefined): string {
  const where = holder && holder.host !== hostname() ? ` on ${holder.host}` : ''
  const who = holder ? `process ${holder.pid}${where}` : 'another process'
  return (
    `The data folder ${resolve(dataDir)} is in use by ${who}: stop that process` +
    `${holder ? ` (pid ${holder.pid})` : ''}, or set DATA_DIR to another folder, ` +
    'or set DATABASE_URL to a Postgres so that several processes can share it.'
  )
}

async function holderFile(lock: string): Promise<string | undefined> {
  const names = await readdir(lock).catch(() => [])
  return names[0] && join(lock, names[0])
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Holder
  } catch {
    return undefined
  }
}

/** For holders whose pid says nothing here. Waits for the next touch or the end of patience; undefined: gone. */
async function heartbeats(file: string): Promise<boolean | undefined> {
  const touched = async () => (await stat(file).catch(() => undefined))?.mtimeMs
  const first = await touched()
  for (;;) {
    const last = await touched()
    if (last === undefined || first === undefined) return undefined
    if (last !== first) return true
    if (Date.now() - last > staleAfterMs) return false
    await sleep(250)
  }
}

function processAlive(holder: Holder): boolean {
  const start = startOf(holder.pid)
  if (start !== undefined && holder.start !== undefined) return start === holder.start
  try {
    process.kill(holder.pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function self(): Holder {
  const scope = [hostname(), read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())]
  scope.push(read(() => readlinkSync('/proc/self/ns/pid')))
  return { pid: process.pid, start: startOf(process.pid), scope: scope.join(' '), host: hostname() }
}

/** Field 22 of /proc/<pid>/stat; the second field may itself contain spaces and brackets. */
function startOf(pid: number): string | undefined {
  const line = read(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  return line === '' ? undefined : line.slice(line.lastIndexOf(')') + 2).split(' ')[19]
}

/** '' where the system has no such file: then the heartbeat or the pid alone decides. */
function read(get: () => string): string {
  try {
    return get()
  } catch {
    return ''
  }
}
