/** Every provider. Adding one: a file beside this one and a line below. */
import type { ImageProvider } from '../core/ports.ts'
import { createSketch } from './sketch.ts'

export function createProviders(): ImageProvider[] {
  return [createSketch()]
}
