/** Reads text files that people wrote with their own editor. */
import { readFile } from 'node:fs/promises'

/** As UTF-8, or as UTF-16 if the file begins with its byte order mark, which PowerShell and Notepad write. */
export async function readText(path: string): Promise<string> {
  const bytes = await readFile(path)
  const mark = bytes.subarray(0, 2).toString('hex')
  const encoding = mark === 'fffe' ? 'utf-16le' : mark === 'feff' ? 'utf-16be' : 'utf-8'
  return new TextDecoder(encoding).decode(bytes)
}
