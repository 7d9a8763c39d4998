/** The packs that come with fluxbot: JSON files in `models`, in the form of packs that operators write. */
import { fileURLToPath } from 'node:url'
import type { Model } from '../../core/ports/models.ts'
import { readPacks } from './pack.ts'

const folder = fileURLToPath(new URL('../../../models', import.meta.url))

/** In the order of their file names. */
export async function readBuiltInPacks(): Promise<readonly Model[]> {
  const { models, mistakes } = await readPacks(folder)
  // a copy of the program without its packs
  if (models.length === 0) mistakes.push(`no pack was found in ${folder}`)
  if (mistakes.length > 0) throw new Error(`cannot use the packs that come with fluxbot: ${mistakes.join('; ')}`)
  return models
}
