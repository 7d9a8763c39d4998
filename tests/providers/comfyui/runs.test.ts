import sharp from 'sharp'
import { describe, expect, it, vi } from 'vitest'
import type { Json } from '../../../src/db/json.ts'
import { failure } from '../../contracts/provider.ts'
import {
  begin,
  bodies,
  changed,
  comfyuiFixture,
  comfyuiTask,
  finish,
  running,
  sentGraph,
} from '../../helpers/providers/comfyui.ts'

const { open, createProvider } = comfyuiFixture()
const signal = () => AbortSignal.timeout(20_000)

describe.each(['old', 'new'] as const)('ComfyUI with a server of the %s version', (version) => {
  it('submits under the id of the generation, and reports the random seed', async () => {
    const emulator = await open({ version })
    const task = comfyuiTask('comfy-dev', { width: 250, height: 200, count: 3 })
    const { images, seed, notes, seen } = await finish(createProvider([emulator]), task)
    expect(images).toHaveLength(3)
    expect(await sharp(images[0]).metadata()).toMatchObject({ format: 'png', width: 256, height: 208 })
    expect(notes).toEqual([])
    expect(seen[0]?.ticket).toEqual({ server: emulator.url, promptId: task.id })
    const [body] = bodies(emulator)
    expect(body).toMatchObject({ prompt_id: task.id, client_id: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    expect(JSON.stringify(body)).not.toContain('"$')
    expect(sentGraph(emulator)['7']?.inputs).toMatchObject({ seed: Number(seed), steps: 20, cfg: 1, denoise: 1 })
    expect(emulator.requests.every(({ headers }) => headers.origin === undefined)).toBe(true)
    expect(emulator.executed()).toBe(1)
  })

  it('reports progress and previews', async () => {
    const emulator = await open({ version, previews: true, workMs: 200 })
    const { seen } = await finish(createProvider([emulator], { pollMs: 2_000 }), comfyuiTask('comfy-dev'))
    const percents = seen.flatMap(({ percent }) => (percent === undefined ? [] : [percent]))
    expect(new Set(percents).size).toBeGreaterThan(1)
    expect(percents).toEqual(percents.toSorted((a, b) => a - b))
    expect(percents.at(-1)).toBeGreaterThanOrEqual(50)
    expect(Math.max(...percents)).toBeLessThan(100)
    const previews = seen.flatMap(({ preview }) => (preview ? [preview] : []))
    expect(previews.length).toBeGreaterThan(0)
    expect(await sharp(previews[0]).metadata()).toMatchObject({ format: 'jpeg', width: 64 })
  })

  it('reports the position in the queue', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = createProvider([emulator])
    const first = comfyuiTask('comfy-dev')
    await begin(provider, first)
    await running(emulator, first.id)
    const tasks = [comfyuiTask('comfy-dev'), comfyuiTask('comfy-dev'), comfyuiTask('comfy-dev')]
    const tickets: Json[] = []
    for (const task of tasks) tickets.push((await begin(provider, task)).ticket)
    const positions = await Promise.all(
      tasks.map((task, at) =>
        vi.waitFor(async () => {
          const progress = await provider.check!(tickets[at]!, task, signal())
          if (progress.state !== 'pending' || progress.position === undefined) throw new Error('expected a position')
          return progress.position
        }),
      ),
    )
    expect(positions).toEqual([1, 2, 3])
  })

  it('cancels a queued run without interrupting the running one', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = createProvider([emulator])
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

  it('cancels a running run', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = createProvider([emulator])
    const task = comfyuiTask('comfy-dev')
    const started = await begin(provider, task)
    await running(emulator, task.id)
    const end = failure(finish(provider, task, started))
    await provider.cancel!(started.ticket)
    expect(bodies(emulator, '/interrupt')).toEqual([{ prompt_id: task.id }])
    expect(await end).toMatchObject({ kind: 'cancelled' })
    expect(emulator.work.history.get(task.id)?.status.status_str).toBe('error')
  })

  it('interrupts no run when the cancelled one has ended', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = createProvider([emulator])
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

  it('finishes by polling when its websocket fails and cannot reconnect', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = createProvider([emulator])
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

  it('reconnects its websocket', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = createProvider([emulator])
    const task = comfyuiTask('comfy-dev')
    const started = await begin(provider, task)
    await running(emulator, task.id)
    emulator.sockets.kill()
    await vi.waitFor(() => expect(emulator.sockets.count()).toBe(1), { timeout: 60_000 })
    const client = String(bodies(emulator)[0]?.client_id)
    emulator.sockets.send(client, 'progress', { value: 2, max: 4, prompt_id: task.id, node: '7' })
    await vi.waitFor(async () => {
      expect(await provider.check!(started.ticket, task, signal())).toMatchObject({ percent: 50 })
    })
    expect(emulator.sockets.opened()).toBe(2)
  })

  it('reports a run that was lost in a restart of the server', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = createProvider([emulator])
    const task = comfyuiTask('comfy-dev')
    const started = await begin(provider, task)
    await running(emulator, task.id)
    const end = failure(finish(provider, task, started))
    emulator.restart()
    expect(await end).toMatchObject({ kind: 'provider_failed', neverRan: true })
    expect(await provider.find!(task, signal())).toBe('never')
  })

  it('finds a run whose submission got no response, and does not run it twice', async () => {
    const emulator = await open({ version })
    const provider = createProvider([emulator])
    const task = comfyuiTask('comfy-dev')
    emulator.faults.add({ kind: 'dropAfter', match: { method: 'POST', path: /^\/prompt$/ }, times: 1 })
    expect(await failure(provider.start(task, signal()))).toMatchObject({ kind: 'provider_failed', neverRan: false })
    const found = await provider.find!(task, signal())
    if (typeof found === 'string') throw new Error(found)
    expect(found).toMatchObject({ state: 'pending', ticket: { server: emulator.url, promptId: task.id } })
    const { images, seed } = await finish(provider, task, found)
    expect(images).toHaveLength(1)
    expect(seed).toBe(String(sentGraph(emulator)['7']?.inputs.seed))
    expect(emulator.executed()).toBe(1)
  })

  it('returns the cached picture for an unchanged graph', async () => {
    const emulator = await open({ version })
    const provider = createProvider([emulator], { pollMs: 10_000 })
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
  ])('reports why a run failed: %s', async (prompt, reason) => {
    const emulator = await open({ version })
    const error = await failure(finish(createProvider([emulator]), comfyuiTask('comfy-dev', { prompt })))
    expect(error).toMatchObject({ kind: 'provider_failed', data: { reason }, neverRan: false })
  })

  it('reports a run that was interrupted on the server', async () => {
    const emulator = await open({ version, workMs: 60_000 })
    const provider = createProvider([emulator])
    const task = comfyuiTask('comfy-dev')
    const end = failure(finish(provider, task))
    await running(emulator, task.id)
    emulator.work.interrupt()
    expect(await end).toMatchObject({ kind: 'provider_failed', data: { reason: 'interrupted' } })
  })

  it.each<[string, string, Record<string, Json | undefined>, string]>([
    ['an invalid value', '1', { weight_dtype: 'fp2' }, "node 1 (UNETLoader), weight_dtype: 'fp2' not in list"],
    ['a missing input', '7', { seed: undefined }, 'node 7 (KSampler), seed: Required input is missing'],
    ['a bad link', '8', { samples: 'x' }, 'node 8 (VAEDecode), samples: Bad linked input'],
    ['a wrong type', '8', { samples: ['3', 0] }, 'node 8 (VAEDecode), samples: Return type mismatch'],
    [
      'a text instead of a number',
      '7',
      { steps: 'many' },
      'node 7 (KSampler), steps: Failed to convert an input value to a INT value',
    ],
    [
      'a number below the minimum',
      '6',
      { width: 8 },
      'node 6 (EmptySD3LatentImage), width: Value 8 smaller than min of 16',
    ],
    [
      'a number above the maximum',
      '7',
      { steps: 10_001 },
      'node 7 (KSampler), steps: Value 10001 bigger than max of 10000',
    ],
    [
      'a link to a missing node',
      '8',
      { samples: ['99', 0] },
      "node 8 (VAEDecode): Exception when validating node ('99')",
    ],
  ])('names node and input when the server refuses %s', async (_what, node, inputs, reason) => {
    const emulator = await open({ version })
    const error = await failure(
      createProvider([emulator]).start(changed(comfyuiTask('comfy-dev'), node, inputs), signal()),
    )
    expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
    expect(error.data.reason).toContain(reason)
    expect(emulator.accepted()).toBe(0)
  })

  it('names a node that the server does not have', async () => {
    const emulator = await open({ version })
    const task = changed(comfyuiTask('comfy-dev'), '7', {}, 'KSamplerTurbo')
    const error = await failure(createProvider([emulator]).start(task, signal()))
    expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
    expect(error.data.reason).toContain('KSamplerTurbo')
  })
})
