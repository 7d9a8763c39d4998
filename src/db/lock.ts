/**
 * Locks a data folder for one process: two embedded databases on the same files lose rows without an error.
 *
 * The lock is a folder, `<data>/lock/`, that contains one file with a name unique to its process. A process prepares it
 * elsewhere and renames it into place. The rename fails while the target contains a file, so only one process wins. The
 * lock of a dead process is removed by the name of its file, so a slow process cannot remove a lock taken meanwhile.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const touchEveryMs = 5_000
const staleAfterMs = 20_000
/** A killed process takes a moment to end. */
const dyingMs = 1_500

export interface FolderLock {
  /** True when another machine took the lock because this process was suspended and seemed dead. */
  lost(): boolean
  release(): Promise<void>
}

interface Holder {
  pid: number
  /** Start time in clock ticks since boot; tells the process from a later one with the same pid. */
  start?: string
  /** Machine, boot and pid namespace. A pid identifies a process only where all three are the same. */
  scope: string
  host: string
}

/** Rejects with a sentence that names the process which holds the folder and says what to do. */
export async function lockFolder(dataDir: string, waitMs = dyingMs): Promise<FolderLock> {
  await mkdir(dataDir, { recursive: true })
  const lock = join(resolve(dataDir), 'lock')
  const name = `${process.pid}-${randomUUID()}.json`
  const aside = `${lock}.${name}`
  await mkdir(aside)
  await writeFile(join(aside, name), JSON.stringify(self()))
  try {
    const until = Date.now() + waitMs
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
  // removes the folder only if it is empty; Windows cannot rename over one
  await rmdir(lock).catch(() => {})
  try {
    const now = new Date()
    for (const file of await readdir(aside)) await utimes(join(aside, file), now, now)
    await rename(aside, lock)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (['ENOTEMPTY', 'EEXIST', 'EPERM', 'EACCES', 'ENOTDIR'].includes(code) && (await holderFile(lock))) return false
    // the holder released the lock after the rename had failed
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
    throw error
  }
}

async function removeDeadHolder(lock: string, dataDir: string, until: number): Promise<void> {
  const file = await holderFile(lock)
  if (!file) return
  const holder = await readHolder(file)
  const local = holder?.scope === self().scope
  const alive = local ? processAlive(holder) : await hasHeartbeat(file)
  if (alive === undefined) return
  if (alive && local && Date.now() < until) return sleep(50)
  if (alive) throw new Error(inUseMessage(dataDir, holder))
  await unlink(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}

function inUseMessage(dataDir: string, holder: Holder | undefined): string {
  const where = holder && holder.host !== hostname() ? ` on ${holder.host}` : ''
  const who = holder ? `process ${holder.pid}${where}` : 'another process'
  return (
    `The data folder ${resolve(dataDir)} is in use by ${who}: stop that process` +
    `${holder ? ` (pid ${holder.pid})` : ''}, or set DATA_DIR to another folder, ` +
    'or set DATABASE_URL to a Postgres server, which several processes can share.'
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

/**
 * Whether a holder is alive whose pid means nothing here. Waits until it touches its file or counts as dead. undefined:
 * it released the lock.
 */
async function hasHeartbeat(file: string): Promise<boolean | undefined> {
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
  const scope = [hostname(), orEmpty(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())]
  scope.push(orEmpty(() => readlinkSync('/proc/self/ns/pid')))
  return { pid: process.pid, start: startOf(process.pid), scope: scope.join(' '), host: hostname() }
}

/** Field 22 of /proc/<pid>/stat. The second field may contain spaces and parentheses. */
function startOf(pid: number): string | undefined {
  const line = orEmpty(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  return line === '' ? undefined : line.slice(line.lastIndexOf(')') + 2).split(' ')[19]
}

/** '' where the system has no such file. Then the heartbeat or the pid alone decides. */
function orEmpty(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}
