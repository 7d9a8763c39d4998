/** `GET /status` and `GET /models`: the state of the ComfyUI servers, their files, and the models that they serve. */
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import { countIn } from '../../../core/history/backlog.ts'
import type { Model, NumberParam, Takes } from '../../../core/ports/models.ts'
import type { InspectedServer, Inspection } from '../../../core/ports/providers.ts'
import { listed } from '../../../core/request/choose-model.ts'
import { version } from '../../server/http.ts'
import type { ApiApp, Family } from '../family.ts'
import { allows, defaultModel } from './params.ts'
import { laneOf } from './queue.ts'
import {
  errorResponses,
  folders,
  modelsResponse,
  type ShownModel,
  type ShownServer,
  statusResponse,
} from './response-schemas.ts'
import { limits, tags } from './schemas.ts'

const provider = 'comfyui'

/** The name of comfy-dev in wrappers of ComfyUI. */
const wrappersName = 'FLUX.1-dev'

/** Names of wrappers → names of ComfyUI's folders. The others are the same. */
const folderNames: Readonly<Partial<Record<(typeof folders)[number], string>>> = {
  unet: 'diffusion_models',
  clip: 'text_encoders',
}

const status = {
  summary: 'Returns the state of ComfyUI and the length of its queue.',
  operationId: 'comfyStatus',
  tags,
  response: { 200: statusResponse, ...errorResponses },
}

const models = {
  summary: 'Lists the files that ComfyUI can load, and the models that it serves.',
  operationId: 'comfyModels',
  tags,
  response: { 200: modelsResponse, ...errorResponses },
}

export function statusRoutes(app: ApiApp, { core, authenticate }: Family): void {
  app.get('/status', { schema: status }, async (request) => {
    const holder = await authenticate(request)
    const [{ servers }, queue] = await Promise.all([inspect(core), countIn(core, laneOf(core, holder))])
    const connected = servers.some((server) => server.connected)
    const isUnreachable = core.providers.get(provider) !== undefined && !connected
    const missing = core.database.notReady() ?? core.queue.notReady()
    return {
      status: isUnreachable || missing !== undefined ? ('degraded' as const) : ('running' as const),
      comfyui_status: connected,
      comfyui: { connected, servers: servers.map((server, at) => shownServer(server, at, holder)) },
      queue,
      version,
      supported_models: supportedModels(core, holder),
      default_model: defaultModel(core, holder),
      max_resolution: { width: limits.side.max, height: limits.side.max },
      max_steps: limits.steps.max,
    }
  })
  app.get('/models', { schema: models }, async (request) => {
    const holder = await authenticate(request)
    const { servers, files } = await inspect(core)
    const lists = folders.map((folder) => [folder, [...(files[folderNames[folder] ?? folder] ?? [])]] as const)
    return {
      models: Object.fromEntries(lists) as Record<(typeof folders)[number], string[]>,
      available: listed(core.models.all()).flatMap((model) => (allows(holder, model.id) ? shownModel(model) : [])),
      comfyui: { connected: servers.some((server) => server.connected) },
    }
  })
}

function supportedModels(core: Core, holder: KeyHolder): string[] {
  const ids = listed(core.models.all()).flatMap(({ id }) => (allows(holder, id) ? [id] : []))
  return ids.includes('comfy-dev') ? [...ids, wrappersName] : ids
}

/** Resolves to empty lists, which clients expect instead of an error, when ComfyUI is not set up. */
async function inspect({ providers }: Core): Promise<Inspection> {
  return (await providers.get(provider)?.provider.inspect?.()) ?? { servers: [], files: {} }
}

/** Only administrators see addresses, versions and devices. */
function shownServer(server: InspectedServer, at: number, { admin }: KeyHolder): ShownServer {
  const { url, connected, busy = null, version = null, devices = [] } = server
  const common = { name: `${provider}-${at + 1}`, connected, queue_remaining: busy }
  if (!admin) return common
  return {
    ...common,
    version,
    url,
    devices: devices.map(({ name, type, memoryTotal = null, memoryFree = null }) => ({
      name,
      type,
      memory_total: memoryTotal,
      memory_free: memoryFree,
    })),
  }
}

/** What the model accepts on any of its ComfyUI routes. Returns an empty list when it has none. */
function shownModel({ id, title, price, routes }: Model): ShownModel[] {
  const all = routes.flatMap((route) => (route.provider === provider ? [route.takes] : []))
  const [first] = all
  if (!first) return []
  const presets = Object.entries(first.aspects).flatMap(([name, [w, h]]) => (name === 'auto' ? [] : [`${w}x${h}`]))
  return [
    {
      id,
      title,
      credits: price,
      images: {
        min: Math.min(...all.map(({ images }) => images.min)),
        max: Math.max(...all.map(({ images }) => images.max)),
      },
      sizes: first.sizes ? { min: first.sizes.min, max: first.sizes.max } : null,
      presets,
      steps: rangeOf(all, 'steps'),
      guidance_scale: rangeOf(all, 'guidance'),
      seed: rangeOf(all, 'seed'),
      strength: rangeOf(all, 'strength'),
      negative_prompt: all.some(({ negative }) => negative === true),
      mask: all.some(({ mask }) => mask !== undefined),
      expand: all.some(({ expand }) => expand !== undefined),
      loras: [...new Set(all.flatMap(({ loras }) => loras?.names ?? []))],
    },
  ]
}

function rangeOf(all: readonly Takes[], name: NumberParam): { min: number; max: number } | null {
  const range = all.map(({ params }) => params[name]).find((each) => each !== undefined)
  return range ? { min: range.min, max: range.max } : null
}
