import type { InspectedServer, Inspection } from '../../core/ports/providers.ts'
import type { ComfyServer } from './server.ts'

const keepMs = 10_000
const askMs = 5_000
const mostDevices = 16
const mostFiles = 1_000

/** Folder → the node and input that load from it. */
const loaders: Readonly<Record<string, readonly [classType: string, input: string]>> = {
  checkpoints: ['CheckpointLoaderSimple', 'ckpt_name'],
  diffusion_models: ['UNETLoader', 'unet_name'],
  text_encoders: ['DualCLIPLoader', 'clip_name1'],
  vae: ['VAELoader', 'vae_name'],
  loras: ['LoraLoaderModelOnly', 'lora_name'],
  clip_vision: ['CLIPVisionLoader', 'clip_name'],
  style_models: ['StyleModelLoader', 'style_model_name'],
}

/** See `ImageProvider.inspect`. */
export function createInspect(servers: readonly ComfyServer[]): () => Promise<Inspection> {
  let last: { inspection: Promise<Inspection>; until: number } | undefined
  return () => {
    const now = performance.now()
    if (!last || last.until < now) last = { inspection: inspectAll(servers), until: now + keepMs }
    return last.inspection
  }
}

async function inspectAll(servers: readonly ComfyServer[]): Promise<Inspection> {
  const signal = AbortSignal.timeout(askMs)
  const all = await Promise.all(
    servers.map(async (server) => {
      const [about, files] = await Promise.all([look(server, signal), filesOf(server, signal)])
      return { about, files }
    }),
  )
  const files = Object.keys(loaders).map((folder) => {
    const names = new Set(all.flatMap((each) => each.files[folder] ?? []))
    return [folder, [...names].sort().slice(0, mostFiles)] as const
  })
  return { servers: all.map(({ about }) => about), files: Object.fromEntries(files) }
}

async function look(server: ComfyServer, signal: AbortSignal): Promise<InspectedServer> {
  const { url } = server
  try {
    const [{ system, devices }, busy] = await Promise.all([server.stats(signal), server.busy(signal)])
    return {
      url,
      connected: true,
      busy,
      version: system.comfyui_version,
      devices: devices.slice(0, mostDevices).map(({ name, type, vram_total: memoryTotal, vram_free: memoryFree }) => ({
        name,
        type,
        memoryTotal,
        memoryFree,
      })),
    }
  } catch {
    return { url, connected: false }
  }
}

/** What cannot be asked, or is no list, counts as nothing. */
async function filesOf(server: ComfyServer, signal: AbortSignal): Promise<Record<string, readonly string[]>> {
  const lists = Object.entries(loaders).map(async ([folder, [classType, input]]) => {
    const names = await server.choices(classType, input, signal).catch(() => undefined)
    return [folder, names ?? []] as const
  })
  return Object.fromEntries(await Promise.all(lists))
}
