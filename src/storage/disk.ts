/** Keeps pictures as files in one folder. The HTTP server delivers them by signed links. */
import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { signLink } from '../core/media/links.ts'
import type { ObjectStore } from '../core/ports/storage.ts'
import { checkKey } from './keys.ts'

const types: Readonly<Record<string, string>> = { png: 'image/png', jpg: 'image/jpeg', webp: 'image/webp' }

export interface DiskOptions {
  folder: string
  secretKey: Buffer
  publicUrl: string
  /** Whether `publicUrl` can be opened from other networks. Default false. */
  reachable?: boolean
}

export function createDiskStore({ folder, secretKey, publicUrl, reachable = false }: DiskOptions): ObjectStore {
  const fileOf = (key: string) => join(folder, checkKey(key))

  return {
    reachable,
    async put(key, body) {
      const file = fileOf(key)
      await mkdir(dirname(file), { recursive: true })
      const temporary = `${file}.${randomUUID()}.tmp`
      try {
        await writeAndSync(temporary, body)
        await rename(temporary, file)
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
    },
    async get(key) {
      try {
        const type = types[key.slice(key.lastIndexOf('.') + 1)] ?? 'application/octet-stream'
        return { data: await readFile(fileOf(key)), type }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    async link(key, ttlSeconds) {
      checkKey(key)
      const expires = Math.floor(Date.now() / 1000) + ttlSeconds
      return `${publicUrl}/image/${key}?expires=${expires}&signature=${signLink(secretKey, key, expires)}`
    },
    async delete(key) {
      const file = fileOf(key)
      await rm(file, { force: true })
      // removes the generation's folder once it is empty
      await rmdir(dirname(file)).catch(() => undefined)
    },
  }
}

/** The file is on disk before it gets its final name, so that a crash leaves no partial picture under that name. */
async function writeAndSync(file: string, body: Buffer): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await handle.writeFile(body)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
