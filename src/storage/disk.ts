/** Pictures as files in one folder; the HTTP side serves them by signed links. */
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
  /** Whether `publicUrl` can be opened from outside. Default false. */
  reachable?: boolean
}

export function createDiskStore({ folder, secretKey, publicUrl, reachable = false }: DiskOptions): ObjectStore {
  const fileOf = (key: string) => join(folder, checkKey(key))

  return {
    reachable,
    async put(key, body) {
      const file = fileOf(key)
      await mkdir(dirname(file), { recursive: true })
      const fresh = `${file}.${randomUUID()}.tmp`
      try {
        await writeWhole(fresh, body)
        await rename(fresh, file)
      } catch (error) {
        await rm(fresh, { force: true })
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
      // the folder of one generation; another file in it keeps it
      await rmdir(dirname(file)).catch(() => undefined)
    },
  }
}

/** On the disk before it gets its name, so that no crash leaves half a picture under it. */
async function writeWhole(file: string, body: Buffer): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await handle.writeFile(body)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
