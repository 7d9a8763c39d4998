/** What the servers run on: version, devices, load and installed model files. */
import type { InspectedServer, Inspection } from '../../core/ports/providers.ts'
import type { ComfyServer } from './server.ts'

const cacheMs = 10_000
const timeoutMs = 5_000
const maxDevices = 16
const maxFiles = 1_000

/** Folder of model files → a node and an input that load files from it. */
const loaders: Readonly<Record<string, readonly [classType: string, input: string]>> = {
  checkpoints: ['CheckpointLoaderSimple', 'ckpt_name'],
  diffusion_models: ['UNETLoader', 'unet_name'],
  text_encoders: ['DualCLIPLoader', 'clip_name1'],
  vae: ['VAELoader', 'vae_name'],
  loras: ['LoraLoaderModelOnly', 'lora_name'],
  clip_vision: ['CLIPVisionLoader', 'clip_name'],
  style_models: ['StyleModelLoader', 'style_model_name'],
}

/** Returns `ImageProvider.inspect`, which caches its result for 10 s. */
export function createInspect(servers: readonly ComfyServer[]): () => Promise<Inspection> {
  let last: { inspection: Promise<Inspection>; until: number } | undefined
  return () => {
    const now = performance.now()
    if (!last || last.until < now) last = { inspection: inspectAll(servers), until: now + cacheMs }
    return last.inspection
  }
}

async function inspectAll(servers: readonly ComfyServer[]): Promise<Inspection> {
  const signal = AbortSignal.timeout(timeoutMs)
  const all = await Promise.all(
    servers.map(async (server) => {
      const [inspected, files] = await Promise.all([inspectServer(server, signal), filesOf(server, signal)])
      return { inspected, files }
    }),
  )
  const files = Object.keys(loaders).map((folder) => {
    const names = new Set(all.flatMap((each) => each.files[folder] ?? []))
    return [folder, [...names].sort().slice(0, maxFiles)] as const
  })
  return { servers: all.map(({ inspected }) => inspected), files: Object.fromEntries(files) }
}

async function inspectServer(server: ComfyServer, signal: AbortSignal): Promise<InspectedServer> {
  const { url } = server
  try {
    const [{ system, devices }, busy] = await Promise.all([server.stats(signal), server.busy(signal)])
    return {
      url,
      connected: true,
      busy,
      version: system.comfyui_version,
      devices: devices.slice(0, maxDevices).map(({ name, type, vram_total: memoryTotal, vram_free: memoryFree }) => ({
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

/** A folder whose files cannot be read counts as empty. */
async function filesOf(server: ComfyServer, signal: AbortSignal): Promise<Record<string, readonly string[]>> {
  const lists = Object.entries(loaders).map(async ([folder, [classType, input]]) => {
    const names = await server.nodes.choices(classType, input, signal).catch(() => undefined)
    return [folder, names ?? []] as const
  })
  return Object.fromEntries(await Promise.all(lists))
}
