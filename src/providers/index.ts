/** Every provider. Adding one: a file beside this one and a line below. */
import type { ProviderKind } from '../core/ports.ts'
import { ark } from './ark.ts'
import { cloudflare } from './cloudflare.ts'
import { comfyui } from './comfyui.ts'
import { dashscope } from './dashscope.ts'
import { fal } from './fal.ts'
import { sketch } from './sketch.ts'

export const providerKinds: readonly ProviderKind[] = [fal, cloudflare, comfyui, ark, dashscope, sketch]
