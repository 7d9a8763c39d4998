/** Which version of the program runs. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** Found from src/http and from dist/http alike. */
const file = new URL('../../../package.json', import.meta.url)

export const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(file, 'utf8')))
