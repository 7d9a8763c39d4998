/** Files that the operator names on the command line. */
import { readText } from '../models/packs/read-text.ts'

/** Throws an Error that says what is wrong with the path. */
export async function readFrom(path: string, read: (path: string) => Promise<string>): Promise<string>
export async function readFrom(path: string, read: (path: string) => Promise<Buffer>): Promise<Buffer>
export async function readFrom(path: string): Promise<string>
export async function readFrom(
  path: string,
  read: (path: string) => Promise<string | Buffer> = readText,
): Promise<string | Buffer> {
  if (path === '') throw new Error('Write the path of the file after the command.')
  try {
    return await read(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new Error(`There is no file ${path}.`)
    if (code === 'EISDIR') throw new Error(`${path} is a folder. Name a file in it.`)
    throw new Error(`${path} cannot be read (${code ?? error}).`)
  }
}
