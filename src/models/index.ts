/** Every model, the default one first. Adding one: a file here and a line below. */
import type { Model } from '../core/ports.ts'
import { sketch } from './sketch.ts'

export const models: readonly Model[] = [sketch]
