/**
 * A ComfyUI server on a local port: its HTTP routes (each also below /api) and its websocket. The version 'old' is from
 * 2025, 'new' from late 2026. Its pictures are stripes.
 */
import { randomUUID } from 'node:crypto'
import type { FaultOptions } from '../faults.ts'
import { type EmulatorServer, type Received, type Sent, startServer } from '../server.ts'
import { createFiles, type Files } from './files.ts'
import { nodeKinds, objectInfo } from './nodes.ts'
import { createSockets, type Sockets } from './sockets.ts'
import { type Graph, type Version, validate } from './validate.ts'
import { createWork, type Work } from './work.ts'

export interface ComfyuiOptions extends Pick<FaultOptions, 'random'> {
  port?: number
  version?: Version
  /** Folder → model files. */
  files?: Readonly<Record<string, readonly string[]>>
  /** Milliseconds of sampling. */
  workMs?: number
  steps?: number
  /** Whether the server sends previews. At the version 'new', the submission of a graph can override it. */
  previews?: boolean
  /** Whether previews can carry the id of their run. Default true. */
  previewMetadata?: boolean
  picture?: (width: number, height: number) => Promise<Buffer>
  /** The key that a proxy in front of the server requires. */
  auth?: string
  keepRequests?: number
}

export interface Comfyui extends EmulatorServer {
  files: Files
  sockets: Sockets
  work: Work
  /** Whether new websockets are refused. */
  refuseSockets(refuse: boolean): void
  /** Loses everything but the files. */
  restart(): void
  /** Number of runs that started. */
  executed(): number
  /** Number of queued graphs. */
  accepted(): number
}

const usualFiles = {
  checkpoints: ['flux1-dev-fp8.safetensors', 'flux1-schnell-fp8.safetensors'],
  diffusion_models: [
    ...['flux1-dev.safetensors', 'flux1-schnell.safetensors', 'flux1-dev-kontext_fp8_scaled.safetensors'],
    'flux1-fill-dev.safetensors',
  ],
  text_encoders: ['clip_l.safetensors', 't5xxl_fp8_e4m3fn_scaled.safetensors', 't5xxl_fp16.safetensors'],
  vae: ['ae.safetensors'],
  loras: [],
  clip_vision: ['sigclip_vision_patch14_384.safetensors'],
  style_models: ['flux1-redux-dev.safetensors'],
  upscale_models: ['4x_NMKD-Siax_200k.pth', 'RealESRGAN_x2.pth'],
}

export async function startComfyui(options: ComfyuiOptions = {}): Promise<Comfyui> {
  const { version = 'new', files: models = usualFiles, workMs = 0, steps = 4, previews = false, picture } = options
  const auth = options.auth && `Bearer ${options.auth}`
  const files = createFiles()
  const features = { supports_preview_metadata: options.previewMetadata ?? true, max_upload_size: 104_857_600 }
  let refuses = false
  let accepted = 0

  const server = await startServer({
    port: options.port,
    random: options.random,
    keepRequests: options.keepRequests,
    handle: async (received) => {
      if (auth && received.headers.authorization !== auth) return { status: 401, body: '<html>401</html>' }
      const { origin, host = '' } = received.headers
      if (origin !== undefined && new URL(origin).host !== host) return { status: 403 }
      return route(received, received.path.replace(/^\/api(?=\/)/, ''))
    },
  })
  const sockets = createSockets({
    server: server.server,
    auth: auth || undefined,
    refuses: () => refuses,
    greet: () => ({ status: { exec_info: { queue_remaining: work.remaining() } } }),
    features,
  })
  const work = createWork({
    files,
    sockets,
    workMs,
    steps,
    picture,
    previews: ({ extra }) => {
      const wanted = version === 'new' ? extra.preview_method : undefined
      return wanted === undefined || wanted === 'default' ? previews : wanted !== 'none'
    },
  })
  const folders = (): Record<string, readonly string[]> => ({ ...models, input: files.names('input') })

  async function route(received: Received, path: string): Promise<Sent> {
    const [, first = '', second] = path.split('/').map(decodeURIComponent)
    if (received.method === 'POST') return post(received, path)
    switch (first) {
      case 'prompt':
        return ok({ exec_info: { queue_remaining: work.remaining() } })
      case 'queue':
        return ok(work.queue())
      case 'history':
        return ok(second === undefined ? historyList(received.query) : historyOf([second]))
      case 'view':
        return files.view(received.query)
      case 'object_info':
        return ok(Object.assign({}, ...(second ? [second] : Object.keys(nodeKinds)).map(info)))
      case 'models': {
        const list = second === undefined ? Object.keys(models) : folders()[second]
        return list ? ok(list) : { status: 404 }
      }
      case 'system_stats':
        return ok(stats(version))
      case 'features':
        return ok(features)
      case 'embeddings':
      case 'extensions':
        return ok([])
      default:
        return { status: 404, body: '404: Not Found' }
    }
  }

  const info = (name: string) => objectInfo(name, folders(), version === 'new')

  async function post(received: Received, path: string): Promise<Sent> {
    if (path === '/upload/image') return files.upload(received)
    const body = received.body.length === 0 ? {} : parse(received.body)
    if (!body) return { status: 500, body: '500 Internal Server Error\n\nServer got itself in trouble' }
    const ids = Array.isArray(body.delete) ? body.delete.map(String) : []
    switch (path) {
      case '/prompt':
        return submit(body)
      case '/queue':
        if (body.clear === true) work.clear()
        work.remove(ids)
        return { status: 200 }
      case '/interrupt':
        // servers respect the id since 2025
        if (version === 'old' || !body.prompt_id || work.running()?.id === body.prompt_id) work.interrupt()
        return { status: 200 }
      case '/history':
        if (body.clear === true) work.history.clear()
        for (const id of ids) work.history.delete(id)
        return { status: 200 }
      case '/free':
        return { status: 200 }
      default:
        return { status: 404, body: '404: Not Found' }
    }
  }

  function submit(body: Record<string, unknown>): Sent {
    const { prompt, prompt_id: id = null, client_id: client, extra_data: extra = {}, number, front } = body
    if (typeof prompt !== 'object' || prompt === null) return refused('no_prompt', 'No prompt provided')
    if (version === 'new' && id !== null && !uuid.test(String(id))) {
      return refused('invalid_prompt_id', 'prompt_id must be a valid UUID')
    }
    const graph = prompt as Graph
    const { error, nodeErrors, outputs } = validate(graph, { version, files: folders() })
    if (error) return { status: 400, body: { error, node_errors: nodeErrors } }
    accepted++
    const item = {
      id: id === null ? randomUUID() : String(id),
      graph,
      outputs,
      client: typeof client === 'string' ? client : undefined,
      extra: { ...(extra as object), ...(client ? { client_id: client } : {}) },
    }
    const ordinal = work.add(item, { number: number === undefined ? undefined : Number(number), front: front === true })
    return ok({ prompt_id: item.id, number: ordinal, node_errors: nodeErrors })
  }

  function historyOf(ids: readonly string[]): object {
    return Object.fromEntries(ids.flatMap((id) => (work.history.has(id) ? [[id, work.history.get(id)]] : [])))
  }

  function historyList(query: URLSearchParams): object {
    const ids = [...work.history.keys()]
    const offset = Number(query.get('offset') ?? 0)
    return historyOf(query.has('max_items') ? ids.slice(offset).slice(-Number(query.get('max_items'))) : ids)
  }

  return {
    ...server,
    files,
    sockets,
    work,
    refuseSockets: (refuse) => {
      refuses = refuse
    },
    restart() {
      sockets.kill()
      work.restart()
    },
    executed: work.executed,
    accepted: () => accepted,
    async stop() {
      work.restart()
      sockets.stop()
      await server.stop()
    },
  }
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

const ok = (body: object): Sent => ({ status: 200, body })

function refused(type: string, message: string): Sent {
  return { status: 400, body: { error: { type, message, details: message, extra_info: {} }, node_errors: {} } }
}

function parse(body: Buffer): Record<string, unknown> | undefined {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}

function stats(version: Version): object {
  const device = { name: 'cuda:0 NVIDIA GeForce RTX 4090', type: 'cuda', index: 0, vram_total: 25_393_692_672 }
  return {
    system: {
      os: version === 'new' ? 'linux' : 'posix',
      ram_total: 67_430_846_464,
      ram_free: 50_000_000_000,
      comfyui_version: version === 'new' ? '0.38.1' : '0.3.64',
      python_version: '3.12.3',
      pytorch_version: '2.8.0+cu128',
      embedded_python: false,
      argv: ['main.py'],
    },
    devices: [{ ...device, vram_free: 20_000_000_000, torch_vram_total: 0, torch_vram_free: 0 }],
  }
}
