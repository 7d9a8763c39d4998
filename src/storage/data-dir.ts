/** Whether DATA_DIR can be used: for pictures on disk, the embedded database and the secret key. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Room for a few pictures and for the database to write its log. */
const freeBytes = 64 * 1024 * 1024

const reasons: Readonly<Record<string, string>> = {
  EEXIST: 'it is a file',
  ENOTDIR: 'it is a file, or below one',
  ENOENT: 'it cannot be made there',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'its file system is read-only',
  ENOSPC: 'its disk is full',
  EDQUOT: 'its quota is used up',
  ENAMETOOLONG: 'its name is too long',
}

/** Creates the folder and writes a file to it. Resolves to what is wrong, or undefined. */
export async function folderProblem(folder: string): Promise<string | undefined> {
  try {
    await makeFolder(folder)
    const probe = join(folder, `.probe-${randomUUID()}`)
    try {
      await writeFile(probe, 'x')
    } finally {
      await rm(probe, { force: true }).catch(() => undefined)
    }
    const { bavail, blocks, bsize } = await statfs(folder)
    // some file systems report no sizes
    return blocks > 0 && bavail * bsize < freeBytes ? reasons.ENOSPC : undefined
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    return reasons[code] ?? message
  }
}

/** Node's own recursive mkdir never returns where the file system refuses new folders as missing, such as below /proc. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await stat(folder)).isDirectory()) return
    if (code !== 'ENOENT' || existsSync(dirname(folder))) throw error
    await makeFolder(dirname(folder))
    await mkdir(folder)
  }
}

export const dataDirMistake = (folder: string, problem: string) =>
  `DATA_DIR ${folder} cannot be used, because ${problem}: ${
    // another folder would have another database and another secret key
    problem === reasons.ENOSPC || problem === reasons.EDQUOT
      ? 'free at least 64 MB there'
      : 'set it to a folder that fluxbot can write to'
  }`
