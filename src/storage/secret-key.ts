/** The key that signs links and encrypts stored provider keys. */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const shortestKey = 32

/** SECRET_KEY if it is set, otherwise a key that is created once in the data folder, readable by its owner only. */
export async function secretKey(configured: string | undefined, dataDir: string): Promise<Buffer> {
  if (configured !== undefined) return Buffer.from(configured)
  const file = join(dataDir, 'secret.key')
  await mkdir(dataDir, { recursive: true })
  try {
    await writeFile(file, randomBytes(32).toString('base64'), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  await chmod(file, 0o600)
  const key = Buffer.from((await readFile(file, 'utf8')).trim())
  if (key.length >= shortestKey) return key
  throw new Error(`${file} is damaged: restore it from a backup of DATA_DIR, or delete it to start with a new key`)
}
