/** The built-in models, in the order in which lists show them. */
import type { Model } from '../core/ports/models.ts'
import { cloudflareModels } from './cloudflare.ts'
import { comfyuiModels } from './comfyui.ts'
import { flux2, flux2Max, flux2Pro } from './flux-2.ts'
import { fluxDev, fluxDevEndpoints, fluxDevRedux } from './flux-dev.ts'
import { fluxSchnell, fluxSchnellEndpoints, fluxSchnellRedux } from './flux-schnell.ts'
import { geminiImage, geminiImage25, geminiImagePro } from './gemini.ts'
import { jimeng31, jimeng40 } from './jimeng.ts'
import { kling3, kling21 } from './kling.ts'
import { fluxMax, fluxPro, kontextEndpoints } from './kontext.ts'
import { midjourney } from './midjourney.ts'
import { qwenImage, qwenImage2, wan } from './qwen.ts'
import { seedream, seedream40, seedream45 } from './seedream.ts'
import { sketch } from './sketch.ts'
import { upscale } from './upscale.ts'

export const models: readonly Model[] = [
  fluxDev,
  fluxSchnell,
  fluxPro,
  fluxMax,
  fluxDevRedux,
  fluxSchnellRedux,
  flux2,
  flux2Pro,
  flux2Max,
  ...cloudflareModels,
  ...comfyuiModels,
  seedream,
  seedream45,
  seedream40,
  qwenImage,
  qwenImage2,
  wan,
  geminiImage,
  geminiImagePro,
  geminiImage25,
  midjourney,
  jimeng40,
  jimeng31,
  kling3,
  kling21,
  sketch,
  upscale,
  // hidden: requested by the endpoint's name
  ...fluxDevEndpoints,
  ...fluxSchnellEndpoints,
  ...kontextEndpoints,
]
