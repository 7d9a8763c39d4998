import { randomUUID } from 'node:crypto'
import { ComfyUIClient, type Prompt } from 'comfy-ui-client'
import sharp from 'sharp'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { type Comfyui, type ComfyuiOptions, startComfyui } from './comfyui/index.ts'
import { picture } from './pictures.ts'

const opened: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.stop()
})

async function open(options?: ComfyuiOptions): Promise<Comfyui> {
  const emulator = await startComfyui(options)
  opened.push(emulator)
  return emulator
}

/** Connects the npm package comfy-ui-client. */
async function connect(emulator: Comfyui, id = 'other-client'): Promise<ComfyUIClient> {
  const client = new ComfyUIClient(`127.0.0.1:${emulator.port}`, id)
  await client.connect()
  opened.unshift({ stop: () => client.disconnect() })
  return client
}

/** The smallest graph that draws a picture. `changes`: inputs by node id. */
function graph(changes: Record<string, Record<string, unknown>> = {}): Prompt {
  const nodes: Record<string, [string, Record<string, unknown>]> = {
    '1': ['UNETLoader', { unet_name: 'flux1-dev.safetensors', weight_dtype: 'default' }],
    '2': ['DualCLIPLoader', { clip_name1: 'clip_l.safetensors', clip_name2: 't5xxl_fp16.safetensors', type: 'flux' }],
    '3': ['VAELoader', { vae_name: 'ae.safetensors' }],
    '4': ['CLIPTextEncode', { text: 'a cat', clip: ['2', 0] }],
    '6': ['EmptySD3LatentImage', { width: 96, height: 64, batch_size: 2 }],
    '7': [
      'KSampler',
      {
        ...{ model: ['1', 0], seed: 7, steps: 4, cfg: 1, sampler_name: 'euler', scheduler: 'simple', denoise: 1 },
        ...{ positive: ['4', 0], negative: ['4', 0], latent_image: ['6', 0] },
      },
    ],
    '8': ['VAEDecode', { samples: ['7', 0], vae: ['3', 0] }],
    '9': ['SaveImage', { images: ['8', 0], filename_prefix: 'a/cat' }],
  }
  return Object.fromEntries(
    Object.entries(nodes).map(([id, [name, inputs]]) => [
      id,
      { class_type: name, inputs: JSON.parse(JSON.stringify({ ...inputs, ...changes[id] })) },
    ]),
  )
}

async function post(emulator: Comfyui, path: string, body: object) {
  const response = await fetch(emulator.url + path, { method: 'POST', body: JSON.stringify(body) })
  const text = await response.text()
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text }
}

async function get<T = unknown>(emulator: Comfyui, path: string): Promise<T> {
  const response = await fetch(emulator.url + path)
  const isJson = response.headers.get('content-type')?.includes('json')
  return (isJson ? await response.json() : response.status) as T
}

const finished = (emulator: Comfyui, id: string) =>
  vi.waitFor(() => {
    const entry = emulator.work.history.get(id)
    if (!entry) throw new Error('expected a history entry')
    return entry
  })

/** Opens a websocket and collects its messages. */
async function listen(emulator: Comfyui, id: string, hello?: object) {
  const socket = new WebSocket(`ws://127.0.0.1:${emulator.port}/ws?clientId=${id}`)
  const messages: { type: string; data: Record<string, unknown> }[] = []
  const bytes: Buffer[] = []
  socket.on('message', (data, isBinary) => {
    if (isBinary) bytes.push(data as Buffer)
    else messages.push(JSON.parse(String(data)))
  })
  await new Promise((resolve) => socket.once('open', resolve))
  if (hello) socket.send(JSON.stringify(hello))
  opened.unshift({ stop: async () => socket.terminate() })
  return { messages, bytes }
}

describe.each(['old', 'new'] as const)('an emulated ComfyUI of the %s version', (version) => {
  it('draws for the client package', async () => {
    const emulator = await open({ version })
    const client = await connect(emulator)
    const images = await client.getImages(graph())
    expect(images['9']?.map(({ image }) => image)).toEqual([
      { filename: 'cat_00001_.png', subfolder: 'a', type: 'output' },
      { filename: 'cat_00002_.png', subfolder: 'a', type: 'output' },
    ])
    const bytes = Buffer.from(await images['9']![0]!.blob.arrayBuffer())
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'png', width: 96, height: 64 })
    expect(emulator.executed()).toBe(1)
  })

  it('describes itself to the client package', async () => {
    const client = await connect(await open({ version }))
    expect(await client.getSystemStats()).toMatchObject({ system: { os: version === 'new' ? 'linux' : 'posix' } })
    expect(await client.getPrompt()).toEqual({ exec_info: { queue_remaining: 0 } })
    expect(await client.getQueue()).toEqual({ queue_running: [], queue_pending: [] })
    expect(Object.keys(await client.getObjectInfo('KSampler'))).toEqual(['KSampler'])
    expect(await client.getObjectInfo('Nonsense')).toEqual({})
    expect(Object.keys(await client.getObjectInfo()).length).toBeGreaterThan(30)
  })

  it('stores uploads by name, and renames a different picture of the same name', async () => {
    const emulator = await open({ version })
    const client = await connect(emulator)
    const [red, blue] = [await picture(8, 8, 'png', 1), await picture(8, 8, 'png', 99)]
    expect(await client.uploadImage(red, 'x.png')).toMatchObject({ name: 'x.png', subfolder: '', type: 'input' })
    expect(await client.uploadImage(red, 'x.png')).toMatchObject({ name: 'x.png' })
    expect(await client.uploadImage(blue, 'x.png')).toMatchObject({ name: 'x (1).png' })
    expect(await client.uploadImage(blue, 'x.png', true)).toMatchObject({ name: 'x.png' })
    expect(emulator.files.read('input', 'x.png')?.equals(blue)).toBe(true)
    const view = await fetch(`${emulator.url}/api/view?filename=x.png&type=input`)
    expect(view.headers.get('content-disposition')).toBe('filename="x.png"')
    expect(Buffer.from(await view.arrayBuffer()).equals(blue)).toBe(true)
    expect(await get(emulator, '/view?filename=../x.png')).toBe(400)
    expect(await get(emulator, '/view?filename=x.png&subfolder=../..')).toBe(403)
    expect(await get(emulator, '/view?filename=y.png')).toBe(404)
  })

  it('reports an invalid graph to the client package', async () => {
    const client = await connect(await open({ version }))
    const wrong = client.queuePrompt(graph({ '1': { unet_name: 'x.safetensors' } }))
    await expect(wrong).rejects.toThrow("unet_name: 'x.safetensors' not in [")
  })

  it.each<[string, string, Record<string, unknown>]>([
    ['required_input_missing', '7', { seed: undefined }],
    ['bad_linked_input', '8', { samples: 'x' }],
    ['return_type_mismatch', '8', { samples: ['3', 0] }],
    ['invalid_input_type', '7', { steps: 'many' }],
    ['value_smaller_than_min', '6', { width: 8 }],
    ['value_bigger_than_max', '7', { steps: 10_001 }],
    ['value_not_in_list', '7', { sampler_name: 'magic' }],
  ])('refuses a graph for %s', async (type, node, inputs) => {
    const emulator = await open({ version })
    const { status, body } = await post(emulator, '/prompt', { prompt: graph({ [node]: inputs }) })
    expect(status).toBe(400)
    expect(body.error.type).toBe('prompt_outputs_failed_validation')
    expect(body.node_errors[node].errors[0]).toMatchObject({
      type,
      extra_info: { input_name: Object.keys(inputs)[0] },
    })
    expect(body.node_errors[node].dependent_outputs).toEqual(['9'])
    expect(emulator.accepted()).toBe(0)
  })

  it('refuses a picture that was not uploaded', async () => {
    const emulator = await open({ version })
    const prompt = {
      ...graph({ '9': { images: ['10', 0] } }),
      '10': { class_type: 'LoadImage', inputs: { image: 'foo.png' } },
    }
    const { body } = await post(emulator, '/prompt', { prompt })
    expect(body.node_errors['10'].errors[0]).toMatchObject({
      type: 'custom_validation_failed',
      details: 'image - Invalid image file: foo.png',
    })
  })

  it('refuses unknown nodes, a graph without outputs and a missing graph with different errors', async () => {
    const emulator = await open({ version })
    const unknown = await post(emulator, '/prompt', { prompt: { '1': { class_type: 'PrimitiveNode', inputs: {} } } })
    expect(unknown.body.error.type).toBe(version === 'new' ? 'missing_node_type' : 'invalid_prompt')
    const { '9': _, ...rest } = graph()
    expect((await post(emulator, '/prompt', { prompt: rest })).body.error.type).toBe('prompt_no_outputs')
    expect((await post(emulator, '/prompt', {})).body.error.type).toBe('no_prompt')
    const broken = await fetch(`${emulator.url}/prompt`, { method: 'POST', body: '{' })
    expect(broken.status).toBe(500)
  })

  it('runs the valid part of a graph and reports the invalid part', async () => {
    const emulator = await open({ version })
    const prompt = { ...graph(), '10': { class_type: 'PreviewImage', inputs: { images: ['3', 0] } } }
    const { status, body } = await post(emulator, '/prompt', { prompt })
    expect(status).toBe(200)
    expect(Object.keys(body.node_errors)).toEqual(['10'])
    expect(Object.keys((await finished(emulator, body.prompt_id)).outputs)).toEqual(['9'])
  })

  it('sends the events of a run in order, and those of a cached run without executing', async () => {
    const emulator = await open({ version, steps: 1 })
    const { messages } = await listen(emulator, 'me')
    const id = (await post(emulator, '/prompt', { prompt: graph(), client_id: 'me' })).body.prompt_id
    await finished(emulator, id)
    await vi.waitFor(() => expect(messages.at(-1)).toEqual({ type: 'executing', data: { node: null, prompt_id: id } }))
    const of = (run: string) =>
      messages.filter(({ data }) => data.prompt_id === run && data.node !== null).map(({ type }) => type)
    expect(of(id).slice(0, 3)).toEqual(['execution_start', 'execution_cached', 'executing'])
    expect(of(id).slice(-2)).toEqual(['executed', 'execution_success'])
    expect(of(id)).toContain('progress')
    const again = (await post(emulator, '/prompt', { prompt: graph(), client_id: 'me' })).body.prompt_id
    const entry = await finished(emulator, again)
    expect(entry.outputs).toEqual(emulator.work.history.get(id)?.outputs)
    await vi.waitFor(() => expect(messages.at(-1)?.data).toEqual({ node: null, prompt_id: again }))
    expect(of(again)).toEqual(['execution_start', 'execution_cached', 'executed', 'execution_success'])
  })

  it('interrupts a run', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const id = (await post(emulator, '/prompt', { prompt: graph() })).body.prompt_id
    await vi.waitFor(() => expect(emulator.executed()).toBe(1))
    expect(await get(emulator, `/history/${id}`)).toEqual({})
    await post(emulator, '/interrupt', { prompt_id: 'of another run' })
    if (version === 'new') {
      expect(emulator.work.running()?.id).toBe(id)
      await post(emulator, '/interrupt', { prompt_id: id })
    }
    const { status } = await finished(emulator, id)
    expect(status).toMatchObject({ status_str: 'error', completed: false })
    expect(JSON.stringify(status.messages.at(-1))).toContain('execution_interrupted')
  })

  it('orders the queue by number, and puts graphs in front on request', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const send = async (more: object) =>
      (await post(emulator, '/prompt', { prompt: graph(), ...more })).body.number as number
    await send({})
    await vi.waitFor(() => expect(emulator.executed()).toBe(1))
    expect(await send({ number: 5 })).toBe(5)
    expect(await send({ number: 3.5 })).toBe(3.5)
    expect(await send({ front: true })).toBe(-1)
    const { queue_running, queue_pending } = await get<Record<string, [number, string][]>>(emulator, '/queue')
    expect(queue_running).toHaveLength(1)
    expect(queue_pending![0]).toHaveLength(5)
    expect(queue_pending![0]?.[0]).toBe(-1)
    const ids = queue_pending!.map(([, id]) => id)
    await post(emulator, '/queue', { delete: [ids[0], 'unknown'] })
    expect(await get(emulator, '/prompt')).toEqual({ exec_info: { queue_remaining: 3 } })
  })

  it('loses queue and history in a restart', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const { messages } = await listen(emulator, 'me')
    const { body } = await post(emulator, '/prompt', { prompt: graph(), client_id: 'me' })
    await vi.waitFor(() => expect(messages.map(({ type }) => type)).toContain('executing'))
    emulator.restart()
    expect(await get(emulator, '/queue')).toEqual({ queue_running: [], queue_pending: [] })
    expect(await get(emulator, `/history/${body.prompt_id}`)).toEqual({})
    expect(emulator.sockets.count()).toBe(0)
  })
})

describe('an emulated ComfyUI', () => {
  it('requires canonical UUIDs as run ids in the new version only', async () => {
    const prompt = graph()
    const uuid = randomUUID()
    const [older, newer] = [await open({ version: 'old' }), await open({ version: 'new' })]
    expect((await post(older, '/prompt', { prompt, prompt_id: 'mine' })).body.prompt_id).toBe('mine')
    for (const prompt_id of ['mine', uuid.toUpperCase()]) {
      const { status, body } = await post(newer, '/prompt', { prompt, prompt_id })
      expect([status, body.error.type]).toEqual([400, 'invalid_prompt_id'])
    }
    expect((await post(newer, '/prompt', { prompt, prompt_id: uuid })).body.prompt_id).toBe(uuid)
  })

  it('lists files in the form of each version', async () => {
    const files = { vae: ['a.safetensors'] }
    const of = async (version: 'old' | 'new') => get(await open({ version, files }), '/object_info/VAELoader')
    const node = (vae_name: unknown) => ({ VAELoader: { input: { required: { vae_name } } } })
    expect(await of('old')).toMatchObject(node([['a.safetensors'], {}]))
    expect(await of('new')).toMatchObject(node(['COMBO', { options: ['a.safetensors'] }]))
  })

  it('sends previews with the id of their run only to clients that support it', async () => {
    const emulator = await open({ previews: true, steps: 1 })
    const plain = await listen(emulator, 'plain')
    const rich = await listen(emulator, 'rich', {
      type: 'feature_flags',
      data: { supports_preview_metadata: true },
    })
    await vi.waitFor(() => expect(rich.messages.map(({ type }) => type)).toContain('feature_flags'))
    for (const client_id of ['plain', 'rich']) {
      const prompt = graph({ '7': { seed: client_id.length } })
      await finished(emulator, (await post(emulator, '/prompt', { prompt, client_id })).body.prompt_id)
    }
    await vi.waitFor(() => expect(rich.bytes).toHaveLength(1))
    expect(plain.bytes.map((bytes) => [bytes.readUInt32BE(0), bytes.readUInt32BE(4)])).toEqual([[1, 1]])
    expect((await sharp(plain.bytes[0]!.subarray(8)).metadata()).format).toBe('jpeg')
    expect(rich.bytes[0]!.readUInt32BE(0)).toBe(4)
    const length = rich.bytes[0]!.readUInt32BE(4)
    expect(JSON.parse(rich.bytes[0]!.toString('utf8', 8, 8 + length))).toMatchObject({ node_id: '7' })
  })

  it('sends to the latest socket of a client only', async () => {
    const emulator = await open()
    const first = await listen(emulator, 'me')
    const second = await listen(emulator, 'me')
    const { body } = await post(emulator, '/prompt', { prompt: graph(), client_id: 'me' })
    await finished(emulator, body.prompt_id)
    await vi.waitFor(() => expect(second.messages.at(-1)?.data.node).toBeNull())
    expect(first.messages.map(({ type }) => type)).toEqual(['status'])
  })

  it.each([
    ['oom', 'torch.OutOfMemoryError'],
    ['boom', 'RuntimeError'],
  ])('fails on purpose for the word %s', async (text, type) => {
    const emulator = await open()
    const { body } = await post(emulator, '/prompt', { prompt: graph({ '4': { text } }) })
    const { status, outputs } = await finished(emulator, body.prompt_id)
    expect(outputs).toEqual({})
    expect(status.messages.at(-1)).toMatchObject(['execution_error', { exception_type: type, node_id: '7' }])
  })

  it('refuses requests of other origins, and requests without the key', async () => {
    const emulator = await open({ auth: 'a-key' })
    expect((await fetch(`${emulator.url}/queue`)).status).toBe(401)
    const headers = { authorization: 'Bearer a-key' }
    expect((await fetch(`${emulator.url}/queue`, { headers })).status).toBe(200)
    const foreign = { ...headers, origin: 'https://elsewhere.example' }
    expect((await fetch(`${emulator.url}/queue`, { headers: foreign })).status).toBe(403)
  })
})
