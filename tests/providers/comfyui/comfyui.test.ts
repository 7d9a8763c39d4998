import sharp from 'sharp'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { AppError } from '../../../src/core/errors.ts'
import type { ImageFile } from '../../../src/core/ports/images.ts'
import type { ImageProvider, Progress, Task } from '../../../src/core/ports/providers.ts'
import type { Json } from '../../../src/db/json.ts'
import { createComfyui } from '../../../src/providers/comfyui/comfyui.ts'
import { type Comfyui, type ComfyuiOptions, startComfyui } from '../../emulators/comfyui/index.ts'
import { picture } from '../../emulators/pictures.ts'
import { keepLog } from '../../helpers/log.ts'
import { comfyuiTask, quickPace } from '../../helpers/providers/comfyui.ts'

type Pending = Extract<Progress, { state: 'pending' }>
type Done = Extract<Progress, { state: 'done' }>
type Sent = Record<string, { class_type: string; inputs: Record<string, Json> }>

const opened: (() => Promise<unknown> | undefined)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

async function open(options?: ComfyuiOptions): Promise<Comfyui> {
  const emulator = await startComfyui(options)
  opened.push(() => emulator.stop())
  return emulator
}

function providerFor(
  emulators: readonly Comfyui[],
  { key, ...pace }: { key?: string } & Partial<typeof quickPace> = {},
) {
  const baseUrl = emulators.map(({ url }) => url).join(', ')
  const provider = createComfyui({ baseUrl, key }, { log: keepLog() }, { ...quickPace, ...pace })
  opened.push(() => provider.close?.())
  return provider
}

const signal = () => AbortSignal.timeout(20_000)

/** Until the pictures are there; `seen`: everything before. */
async function finish(provider: ImageProvider, task: Task, from?: Progress): Promise<Done & { seen: Pending[] }> {
  const seen: Pending[] = []
  let progress = from ?? (await provider.start(task, signal()))
  while (progress.state === 'pending') {
    seen.push(progress)
    progress = await provider.check!(progress.ticket, task, signal())
  }
  return { ...progress, seen }
}

async function failure(work: Promise<unknown>): Promise<AppError> {
  const error = await work.then(
    (value) => new Error(`it did not fail: ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  )
  if (error instanceof AppError) return error
  throw error
}

async function begin(provider: ImageProvider, task: Task): Promise<Pending> {
  const started = await provider.start(task, signal())
  if (started.state !== 'pending') throw new Error('done at once')
  return started
}

const bodies = (emulator: Comfyui, path = '/prompt') =>
  emulator.requests
    .filter((each) => each.method === 'POST' && each.path === path)
    .map(({ body }) => JSON.parse(body.toString('utf8')) as { prompt: Sent } & Record<string, Json>)

const graphSent = (emulator: Comfyui) => bodies(emulator)[0]!.prompt
const running = (emulator: Comfyui, id: string) =>
  vi.waitFor(() => expect(emulator.work.running()?.id).toBe(id), { timeout: 5_000 })

async function image(width: number, height: number): Promise<ImageFile> {
  return { data: await picture(width, height, 'jpeg', width), type: 'image/jpeg', width, height }
}

describe.each(['old', 'new'] as const)('ComfyUI (%s)', (version) => {
  it('draws under the id of the generation, with a random seed that it tells', async () => {
    const emulator = await open({ version })
    const task = comfyuiTask('comfy-dev', { width: 250, height: 200, count: 3 })
    const { images, seed, notes, seen } = await finish(providerFor([emulator]), task)
    expect(images).toHaveLength(3)
    expect(await sharp(images[0]).metadata()).toMatchObject({ format: 'png', width: 256, height: 208 })
    expect(notes).toEqual([])
    expect(seen[0]?.ticket).toEqual({ server: emulator.url, promptId: task.id })
    const [body] = bodies(emulator)
    expect(body).toMatchObject({ prompt_id: task.id, client_id: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    expect(JSON.stringify(body)).not.toContain('"$')
    expect(graphSent(emulator)['7']?.inputs).toMatchObject({ seed: Number(seed), steps: 20, cfg: 1, denoise: 1 })
    expect(emulator.requests.every(({ headers }) => headers.origin === undefined)).toBe(true)
    expect(emulator.executed()).toBe(1)
  })

  it('tells how far it is, and shows it', async () => {
    const emulator = await open({ version, previews: true, workMs: 200 })
    const { seen } = await finish(providerFor([emulator], { pollMs: 2_000 }), comfyuiTask('comfy-dev'))
    const percents = seen.flatMap(({ percent }) => (percent === undefined ? [] : [percent]))
    expect(new Set(percents).size).toBeGreaterThan(1)
    expect(percents).toEqual(percents.toSorted((a, b) => a - b))
    expect(percents.at(-1)).toBeGreaterThanOrEqual(50)
    expect(Math.max(...percents)).toBeLessThan(100)
    const previews = seen.flatMap(({ preview }) => (preview ? [preview] : []))
    expect(previews.length).toBeGreaterThan(0)
    expect(await sharp(previews[0]).metadata()).toMatchObject({ format: 'jpeg', width: 64 })
  })

  it('tells the place in the queue, by number', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = providerFor([emulator])
    const first = comfyuiTask('comfy-dev')
    await begin(provider, first)
    await running(emulator, first.id)
    const tasks = [comfyuiTask('comfy-dev'), comfyuiTask('comfy-dev'), comfyuiTask('comfy-dev')]
    const tickets: Json[] = []
    for (const task of tasks) tickets.push((await begin(provider, task)).ticket)
    const places = await Promise.all(
      tasks.map((task, at) =>
        vi.waitFor(async () => {
          const progress = await provider.check!(tickets[at]!, task, signal())
          if (progress.state !== 'pending' || progress.position === undefined) throw new Error('no place')
          return progress.position
        }),
      ),
    )
    expect(places).toEqual([1, 2, 3])
  })

  it('ends a run that waits, without touching the one that runs', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = providerFor([emulator])
    const [mine, other] = [comfyuiTask('comfy-dev'), comfyuiTask('comfy-dev')]
    await begin(provider, other)
    await running(emulator, other.id)
    const { ticket } = await begin(provider, mine)
    await provider.cancel!(ticket)
    expect(bodies(emulator, '/queue')).toEqual([{ delete: [mine.id] }])
    expect(bodies(emulator, '/interrupt')).toEqual([])
    expect(emulator.work.running()?.id).toBe(other.id)
    expect(await failure(finish(provider, mine, { state: 'pending', ticket, waitMs: 0 }))).toMatchObject({
      kind: 'cancelled',
    })
  })

  it('ends the run that runs when it is that one', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = providerFor([emulator])
    const task = comfyuiTask('comfy-dev')
    const started = await begin(provider, task)
    await running(emulator, task.id)
    const end = failure(finish(provider, task, started))
    await provider.cancel!(started.ticket)
    expect(bodies(emulator, '/interrupt')).toEqual([{ prompt_id: task.id }])
    expect(await end).toMatchObject({ kind: 'cancelled' })
    expect(emulator.work.history.get(task.id)?.status.status_str).toBe('error')
  })

  it('interrupts nobody for a run that is over', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = providerFor([emulator])
    const [mine, other] = [comfyuiTask('comfy-dev'), comfyuiTask('comfy-dev')]
    const started = await begin(provider, mine)
    await running(emulator, mine.id)
    emulator.work.hurry()
    await finish(provider, mine, started)
    await begin(provider, other)
    await running(emulator, other.id)
    await provider.cancel!(started.ticket)
    expect(bodies(emulator, '/interrupt')).toEqual([])
    expect(emulator.work.running()?.id).toBe(other.id)
  })

  it('finishes by asking when its websocket dies and none can be had', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = providerFor([emulator])
    const task = comfyuiTask('comfy-dev')
    const started = await begin(provider, task)
    await running(emulator, task.id)
    expect(emulator.sockets.count()).toBe(1)
    emulator.refuseSockets(true)
    emulator.sockets.kill()
    const end = finish(provider, task, started)
    emulator.work.hurry()
    expect((await end).images).toHaveLength(1)
    expect(emulator.sockets.opened()).toBe(1)
    expect(emulator.executed()).toBe(1)
  })

  it('opens its websocket again', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = providerFor([emulator])
    const task = comfyuiTask('comfy-dev')
    const started = await begin(provider, task)
    await running(emulator, task.id)
    emulator.sockets.kill()
    await vi.waitFor(() => expect(emulator.sockets.count()).toBe(1), { timeout: 5_000 })
    const client = String(bodies(emulator)[0]?.client_id)
    emulator.sockets.tell(client, 'progress', { value: 2, max: 4, prompt_id: task.id, node: '7' })
    await vi.waitFor(async () => {
      expect(await provider.check!(started.ticket, task, signal())).toMatchObject({ percent: 50 })
    })
    expect(emulator.sockets.opened()).toBe(2)
  })

  it('says so when the server was restarted and forgot the run', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = providerFor([emulator])
    const task = comfyuiTask('comfy-dev')
    const started = await begin(provider, task)
    await running(emulator, task.id)
    const end = failure(finish(provider, task, started))
    emulator.restart()
    expect(await end).toMatchObject({ kind: 'provider_failed', neverRan: true })
    expect(await provider.find!(task, signal())).toBe('never')
  })

  it('finds what a lost answer was about, and runs it once', async () => {
    const emulator = await open({ version })
    const provider = providerFor([emulator])
    const task = comfyuiTask('comfy-dev')
    emulator.faults.add({ kind: 'dropAfter', match: { method: 'POST', path: /^\/prompt$/ }, times: 1 })
    expect(await failure(provider.start(task, signal()))).toMatchObject({ kind: 'provider_failed', neverRan: false })
    const found = await provider.find!(task, signal())
    if (typeof found === 'string') throw new Error(found)
    expect(found).toMatchObject({ state: 'pending', ticket: { server: emulator.url, promptId: task.id } })
    const { images, seed } = await finish(provider, task, found)
    expect(images).toHaveLength(1)
    expect(seed).toBe(String(graphSent(emulator)['7']?.inputs.seed))
    expect(emulator.executed()).toBe(1)
  })

  it('hands over the same picture again when nothing has changed', async () => {
    const emulator = await open({ version })
    const provider = providerFor([emulator], { pollMs: 10_000 })
    const [first, second] = [1, 2].map(() => comfyuiTask('comfy-schnell', { seed: '7' }))
    const one = await finish(provider, first!)
    const other = await finish(provider, second!)
    expect(other.images[0]?.equals(one.images[0]!)).toBe(true)
    expect(emulator.work.history.get(second!.id)?.status.messages[1]).toMatchObject([
      'execution_cached',
      { nodes: expect.arrayContaining(['7', '9']) },
    ])
  })

  it.each([
    ['oom', 'out of memory'],
    ['boom', 'node 7 (KSampler): mat1 and mat2 shapes cannot be multiplied (1x768 and 4096x3072)'],
  ])('tells why a run failed (%s)', async (prompt, reason) => {
    const emulator = await open({ version })
    const error = await failure(finish(providerFor([emulator]), comfyuiTask('comfy-dev', { prompt })))
    expect(error).toMatchObject({ kind: 'provider_failed', data: { reason }, neverRan: false })
  })

  it('tells that somebody at the server interrupted the run', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = providerFor([emulator])
    const task = comfyuiTask('comfy-dev')
    const end = failure(finish(provider, task))
    await running(emulator, task.id)
    emulator.work.interrupt()
    expect(await end).toMatchObject({ kind: 'provider_failed', data: { reason: 'interrupted' } })
  })

  it.each<[string, string, Record<string, Json | undefined>, string]>([
    ['a value', '1', { weight_dtype: 'fp2' }, "node 1 (UNETLoader), weight_dtype: 'fp2' not in list"],
    ['a missing input', '7', { seed: undefined }, 'node 7 (KSampler), seed: Required input is missing'],
    ['a bad link', '8', { samples: 'x' }, 'node 8 (VAEDecode), samples: Bad linked input'],
    ['a wrong type', '8', { samples: ['3', 0] }, 'node 8 (VAEDecode), samples: Return type mismatch'],
    ['no number', '7', { steps: 'many' }, 'node 7 (KSampler), steps: Failed to convert an input value to a INT value'],
    ['too little', '6', { width: 8 }, 'node 6 (EmptySD3LatentImage), width: Value 8 smaller than min of 16'],
    ['too much', '7', { steps: 10_001 }, 'node 7 (KSampler), steps: Value 10001 bigger than max of 10000'],
    ['no node', '8', { samples: ['99', 0] }, "node 8 (VAEDecode): Exception when validating node ('99')"],
  ])('tells what the server refuses by node and input: %s', async (_what, node, inputs, reason) => {
    const emulator = await open({ version })
    const error = await failure(
      providerFor([emulator]).start(changed(comfyuiTask('comfy-dev'), node, inputs), signal()),
    )
    expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
    expect(error.data.reason).toContain(reason)
    expect(emulator.accepted()).toBe(0)
  })

  it('tells which node the server does not have', async () => {
    const emulator = await open({ version })
    const task = changed(comfyuiTask('comfy-dev'), '7', {}, 'KSamplerTurbo')
    const error = await failure(providerFor([emulator]).start(task, signal()))
    expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
    expect(error.data.reason).toContain('KSamplerTurbo')
  })
})

/** With other inputs in one node; undefined takes one away. */
function changed(task: Task, node: string, inputs: Record<string, Json | undefined>, classType?: string): Task {
  const graph = structuredClone(task.input) as unknown as Sent
  const there = graph[node]!
  const merged = JSON.parse(JSON.stringify({ ...there.inputs, ...inputs })) as Sent[string]['inputs']
  graph[node] = { class_type: classType ?? there.class_type, inputs: merged }
  return { ...task, input: graph as unknown as Json }
}

describe('several ComfyUI servers', () => {
  it('share the work: the least busy is taken', async () => {
    const servers = [await open({ workMs: 60_000 }), await open({ workMs: 60_000 })]
    const provider = providerFor(servers)
    for (let n = 0; n < 4; n++) await begin(provider, comfyuiTask('comfy-dev'))
    expect(servers.map((server) => server.work.remaining())).toEqual([2, 2])
  })

  it('share the work also when it comes all at once', async () => {
    const servers = [await open({ workMs: 60_000 }), await open({ workMs: 60_000 })]
    const provider = providerFor(servers)
    await Promise.all(Array.from({ length: 6 }, () => begin(provider, comfyuiTask('comfy-dev'))))
    expect(servers.map((server) => server.work.remaining())).toEqual([3, 3])
  })

  it('stand in for one that is away, and one that lacks the files', async () => {
    const [away, bare, able] = [await open(), await open({ files: {} }), await open()]
    const provider = providerFor([away, bare, able])
    await away.stop()
    const { images } = await finish(provider, comfyuiTask('comfy-dev'))
    expect(images).toHaveLength(1)
    expect([bare.accepted(), able.accepted()]).toEqual([0, 1])
  })

  it('fail together when none answers, and nothing was started', async () => {
    const servers = [await open(), await open()]
    const provider = providerFor(servers)
    for (const server of servers) await server.stop()
    expect(await failure(provider.start(comfyuiTask('comfy-dev'), signal()))).toMatchObject({
      kind: 'provider_failed',
      neverRan: true,
      data: { reason: 'none of the 2 servers answers' },
    })
  })

  it('are all looked through for a lost run; one that is away may have it', async () => {
    const [first, second] = [await open(), await open()]
    const provider = providerFor([first, second])
    const task = comfyuiTask('comfy-dev')
    expect(await provider.find!(task, signal())).toBe('never')
    await begin(providerFor([second]), task)
    expect(await provider.find!(task, signal())).toMatchObject({ ticket: { server: second.url } })
    await second.stop()
    expect(await provider.find!(task, signal())).toBe('unknown')
  })

  it('are all tested', async () => {
    const servers = [await open({ auth: 'comfy-key-12345' }), await open({ auth: 'comfy-key-12345' })]
    await providerFor(servers, { key: 'comfy-key-12345' }).test!(signal())
    expect(servers.map(({ requests }) => requests.map(({ path }) => path))).toEqual([
      ['/system_stats'],
      ['/system_stats'],
    ])
    expect(await failure(providerFor(servers, { key: 'another' }).test!(signal()))).toMatchObject({
      kind: 'provider_account',
    })
    await servers[1]!.stop()
    expect(await failure(providerFor(servers, { key: 'comfy-key-12345' }).test!(signal()))).toMatchObject({
      kind: 'provider_failed',
    })
  })

  it('get the key; a server that is not configured any more does not', async () => {
    const [here, gone] = [await open({ auth: 'comfy-key-12345', previews: true }), await open()]
    const provider = providerFor([here], { key: 'comfy-key-12345' })
    const { seen } = await finish(provider, comfyuiTask('comfy-dev'))
    expect(seen.some(({ preview }) => preview)).toBe(true)
    expect(JSON.stringify(seen)).not.toContain('comfy-key-12345')
    const ticket = { server: gone.url, promptId: 'x' }
    expect(await failure(provider.check!(ticket, comfyuiTask('comfy-dev'), signal()))).toMatchObject({
      kind: 'provider_failed',
      data: { reason: 'its server is not configured any more' },
    })
    expect(gone.requests).toEqual([])
  })
})

describe('the ComfyUI provider', () => {
  it('uploads pictures under names of their own and uses the names that come back', async () => {
    const emulator = await open()
    const task = comfyuiTask('comfy-kontext', {}, [await image(200, 100), await image(300, 100)])
    emulator.files.save('input', 'x', Buffer.from('x'))
    await emulator.files.upload(await uploadOf(`${task.id}-1.jpg`, await picture(9, 9)))
    const { images } = await finish(providerFor([emulator]), task)
    expect(await sharp(images[0]).metadata()).toMatchObject({ width: 1568, height: 672 })
    const graph = graphSent(emulator)
    expect(graph['10']?.inputs.image).toBe(`${task.id}-0.jpg`)
    expect(graph['11']?.inputs.image).toBe(`${task.id}-1 (1).jpg`)
    expect(emulator.files.read('input', `${task.id}-0.jpg`)?.equals(task.images[0]!.data)).toBe(true)
    expect(emulator.files.read('input', `${task.id}-1 (1).jpg`)?.equals(task.images[1]!.data)).toBe(true)
  })

  it('changes one picture, in the size that is asked for', async () => {
    const emulator = await open()
    const params = { strength: 0.4, count: 2, width: 320, height: 192 }
    const { images } = await finish(providerFor([emulator]), comfyuiTask('comfy-dev', params, [await image(500, 100)]))
    expect(images).toHaveLength(2)
    expect(await sharp(images[1]).metadata()).toMatchObject({ width: 320, height: 192 })
    expect(graphSent(emulator)['7']?.inputs.denoise).toBe(0.4)
  })

  it('starts nothing when a picture cannot be uploaded', async () => {
    const emulator = await open()
    emulator.faults.add({ kind: 'dropAfter', match: { path: /upload/ } })
    const task = comfyuiTask('comfy-kontext', {}, [await image(200, 100)])
    expect(await failure(providerFor([emulator]).start(task, signal()))).toMatchObject({
      kind: 'provider_failed',
      neverRan: true,
    })
    expect(emulator.accepted()).toBe(0)
  })

  it.each(['old', 'new'] as const)('uses the files that are installed, in folders too (%s)', async (version) => {
    const emulator = await open({
      version,
      files: {
        diffusion_models: ['a.safetensors', 'flux/flux1-dev-fp8.safetensors'],
        text_encoders: ['clip_l.safetensors', 'sub\\t5xxl_fp8_e4m3fn.safetensors'],
        vae: ['ae.safetensors'],
      },
    })
    await finish(providerFor([emulator]), comfyuiTask('comfy-dev'))
    expect(graphSent(emulator)['1']?.inputs.unet_name).toBe('flux/flux1-dev-fp8.safetensors')
    expect(graphSent(emulator)['2']?.inputs.clip_name2).toBe('sub\\t5xxl_fp8_e4m3fn.safetensors')
  })

  it('asks only now and then which files there are', async () => {
    const emulator = await open()
    const provider = providerFor([emulator])
    await finish(provider, comfyuiTask('comfy-dev'))
    await finish(provider, comfyuiTask('comfy-dev'))
    const asked = emulator.requests.map(({ path }) => path).filter((path) => path.startsWith('/object_info'))
    expect(asked.sort()).toEqual(['/object_info/DualCLIPLoader', '/object_info/UNETLoader', '/object_info/VAELoader'])
  })

  it('names node, input and files when none of them is installed', async () => {
    const emulator = await open({ files: { diffusion_models: ['sd15.safetensors'] } })
    const error = await failure(providerFor([emulator]).start(comfyuiTask('comfy-dev'), signal()))
    expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
    expect(error.data.reason).toBe(
      'node 1 (UNETLoader), unet_name: none of these files is installed: ' +
        'flux1-dev.safetensors, flux1-dev-fp8.safetensors, flux1-dev-fp8-e4m3fn.safetensors',
    )
    expect(bodies(emulator)).toEqual([])
  })

  it.each([
    ['comfy-dev', 't5xxl', 512],
    ['comfy-schnell', 'text', 256],
  ])('cuts words that %s cannot take in, and says so', async (model, input, limit) => {
    const emulator = await open()
    const prompt = Array.from({ length: 600 }, (_, n) => `word${n}`).join(' ')
    const { notes } = await finish(providerFor([emulator]), comfyuiTask(model, { prompt }))
    expect(notes).toEqual([{ kind: 'prompt_cut', data: { limit } }])
    const sent = String(graphSent(emulator)['4']?.inputs[input])
    expect(prompt.startsWith(`${sent} `)).toBe(true)
    expect(sent.split(' ').length).toBeGreaterThan(limit / 5)
  })

  it('gives the small encoder what it takes without a word', async () => {
    const emulator = await open()
    const prompt = 'word '.repeat(100).trim()
    const { notes } = await finish(providerFor([emulator]), comfyuiTask('comfy-dev', { prompt }))
    expect(notes).toEqual([])
    expect(graphSent(emulator)['4']?.inputs).toMatchObject({ t5xxl: prompt, clip_l: 'word '.repeat(75).trim() })
  })

  it('takes pictures that are only shown where none is saved', async () => {
    const emulator = await open()
    const task = changed(comfyuiTask('comfy-dev'), '9', {}, 'PreviewImage')
    expect((await finish(providerFor([emulator]), task)).images).toHaveLength(1)
    expect(emulator.requests.find(({ path }) => path === '/view')?.query.get('type')).toBe('temp')
  })

  it('prefers pictures that are saved', async () => {
    const emulator = await open()
    const task = comfyuiTask('comfy-dev')
    const graph = task.input as unknown as Sent
    graph['0'] = { class_type: 'PreviewImage', inputs: { images: ['8', 0] } }
    expect((await finish(providerFor([emulator]), task)).images).toHaveLength(1)
    const views = emulator.requests.filter(({ path }) => path === '/view').map(({ query }) => query.get('type'))
    expect(views).toEqual(['output'])
  })

  it('takes back a run that can make everything but the picture', async () => {
    const emulator = await open({ workMs: 60_000 })
    const task = changed(comfyuiTask('comfy-dev'), '9', { images: ['3', 0] })
    const graph = task.input as unknown as Sent
    graph['20'] = { class_type: 'SaveLatent', inputs: { samples: ['7', 0], filename_prefix: 'x' } }
    const error = await failure(providerFor([emulator]).start(task, signal()))
    expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
    expect(error.data.reason).toContain('node 9 (SaveImage), images: Return type mismatch')
    await vi.waitFor(() => expect(emulator.work.remaining()).toBe(0))
  })

  it('understands previews that do not say whose they are', async () => {
    const emulator = await open({ version: 'old', previews: true, previewMetadata: false, workMs: 100 })
    const { seen } = await finish(providerFor([emulator]), comfyuiTask('comfy-dev'))
    expect(seen.some(({ preview }) => preview)).toBe(true)
  })

  it('closes its websocket when nothing runs for a while, and opens it for the next run', async () => {
    const emulator = await open()
    const provider = providerFor([emulator], { idleMs: 50 })
    await finish(provider, comfyuiTask('comfy-dev'))
    await vi.waitFor(() => expect(emulator.sockets.count()).toBe(0), { timeout: 5_000 })
    const before = emulator.sockets.opened()
    await finish(provider, comfyuiTask('comfy-dev'))
    expect(emulator.sockets.opened()).toBeGreaterThan(before)
  })

  it('uses one websocket for all runs', async () => {
    const emulator = await open()
    const provider = providerFor([emulator])
    await Promise.all(Array.from({ length: 8 }, () => finish(provider, comfyuiTask('comfy-dev'))))
    expect(emulator.sockets.opened()).toBe(1)
    expect(new Set(bodies(emulator).map(({ client_id }) => client_id)).size).toBe(1)
  })

  it('lets go of everything when it is closed', async () => {
    const emulator = await open({ workMs: 60_000 })
    const provider = providerFor([emulator], { pollMs: 10_000 })
    const task = comfyuiTask('comfy-dev')
    const end = failure(finish(provider, task))
    await running(emulator, task.id)
    await provider.close?.()
    expect((await end).neverRan).toBe(false)
    await vi.waitFor(() => expect(emulator.sockets.count()).toBe(0))
  })

  it.each([
    ['its history', /^\/history\//],
    ['its queue', /^\/queue$/],
  ])(
    'does not give up a run because a question about %s is not answered in time',
    { timeout: 20_000 },
    async (_, path) => {
      const emulator = await open({ workMs: 500 })
      const provider = providerFor([emulator], { askMs: 200 })
      const task = comfyuiTask('comfy-dev')
      const started = await begin(provider, task)
      const mend = emulator.faults.add({ kind: 'hang', match: { path } })
      const error = await failure(finish(provider, task, started))
      expect(error).toMatchObject({ kind: 'provider_failed', retry: true, neverRan: false })
      mend()
      expect((await finish(provider, task, started)).images).toHaveLength(1)
      expect(emulator.executed()).toBe(1)
    },
  )

  it('never says that a run did not happen because it cannot be asked about', async () => {
    const emulator = await open({ workMs: 60_000 })
    const provider = providerFor([emulator])
    const task = comfyuiTask('comfy-dev')
    const started = await begin(provider, task)
    await running(emulator, task.id)
    await emulator.stop()
    const error = await failure(finish(provider, task, started))
    expect(error).toMatchObject({ kind: 'provider_failed', neverRan: false })
  })
})

/** A call of POST /upload/image, as another client would make it. */
async function uploadOf(name: string, data: Buffer) {
  const form = new FormData()
  form.append('image', new Blob([Uint8Array.from(data)]), name)
  const response = new Response(form)
  const body = Buffer.from(await response.arrayBuffer())
  const headers = { 'content-type': response.headers.get('content-type') ?? '' }
  const query = new URLSearchParams()
  return { method: 'POST', path: '/upload/image', query, headers, body, at: 0, status: 0 }
}
