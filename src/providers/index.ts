/** The list of providers. To add one, import it and name it here. */
import type { ProviderKind } from '../core/ports/providers.ts'
import { ark } from './ark/ark.ts'
import { cloudflare } from './cloudflare/cloudflare.ts'
import { comfyui } from './comfyui/comfyui.ts'
import { dashscope } from './dashscope/dashscope.ts'
import { fal } from './fal/fal.ts'
import { gemini } from './gemini/gemini.ts'
import { jimeng } from './jimeng/jimeng.ts'
import { kling } from './kling/kling.ts'
import { lanczos } from './lanczos/lanczos.ts'
import { midjourney } from './midjourney/midjourney.ts'
import { openai } from './openai/openai.ts'
import { sketch } from './sketch/sketch.ts'

export const providerKinds: readonly ProviderKind[] = [
  fal,
  cloudflare,
  comfyui,
  ark,
  dashscope,
  openai,
  gemini,
  midjourney,
  jimeng,
  kling,
  sketch,
  lanczos,
]
