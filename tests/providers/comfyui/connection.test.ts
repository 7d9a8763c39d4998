import { describe, expect, it, vi } from 'vitest'
import { failure } from '../../contracts/provider.ts'
import { begin, bodies, comfyuiFixture, comfyuiTask, finish, running } from '../../helpers/providers/comfyui.ts'

const { open, createProvider } = comfyuiFixture()

describe('the connection to ComfyUI', () => {
  it('receives previews without the id of their run', async () => {
    const emulator = await open({ version: 'old', previews: true, previewMetadata: false, workMs: 100 })
    const { seen } = await finish(createProvider([emulator]), comfyuiTask('comfy-dev'))
    expect(seen.some(({ preview }) => preview)).toBe(true)
  })

  it('is closed when nothing runs for a while, and reopened for the next run', async () => {
    const emulator = await open()
    const provider = createProvider([emulator], { idleMs: 50 })
    await finish(provider, comfyuiTask('comfy-dev'))
    await vi.waitFor(() => expect(emulator.sockets.count()).toBe(0), { timeout: 60_000 })
    const before = emulator.sockets.opened()
    await finish(provider, comfyuiTask('comfy-dev'))
    expect(emulator.sockets.opened()).toBeGreaterThan(before)
  })

  it('is one websocket for all runs', async () => {
    const emulator = await open()
    const provider = createProvider([emulator])
    await Promise.all(Array.from({ length: 8 }, () => finish(provider, comfyuiTask('comfy-dev'))))
    expect(emulator.sockets.opened()).toBe(1)
    expect(new Set(bodies(emulator).map(({ client_id }) => client_id)).size).toBe(1)
  })

  it('is closed with the provider', async () => {
    const emulator = await open({ workMs: 60_000 })
    const provider = createProvider([emulator], { pollMs: 10_000 })
    const task = comfyuiTask('comfy-dev')
    const end = failure(finish(provider, task))
    await running(emulator, task.id)
    await provider.close?.()
    expect((await end).neverRan).toBe(false)
    await vi.waitFor(() => expect(emulator.sockets.count()).toBe(0))
  })

  it.each([
    ['history', /^\/history\//],
    ['queue', /^\/queue$/],
  ])('can time out at the %s without giving up the run', async (_, path) => {
    const emulator = await open({ workMs: 500 })
    const provider = createProvider([emulator])
    const impatient = createProvider([emulator], { callTimeoutMs: 200 })
    const task = comfyuiTask('comfy-dev')
    const started = await begin(provider, task)
    const removeFault = emulator.faults.add({ kind: 'hang', match: { path } })
    const error = await failure(finish(impatient, task, started))
    expect(error).toMatchObject({ kind: 'provider_failed', retry: true, neverRan: false })
    removeFault()
    expect((await finish(provider, task, started)).images).toHaveLength(1)
    expect(emulator.executed()).toBe(1)
  })

  it('can be lost without claiming that the run never ran', async () => {
    const emulator = await open({ workMs: 60_000 })
    const provider = createProvider([emulator])
    const task = comfyuiTask('comfy-dev')
    const started = await begin(provider, task)
    await running(emulator, task.id)
    await emulator.stop()
    const error = await failure(finish(provider, task, started))
    expect(error).toMatchObject({ kind: 'provider_failed', neverRan: false })
  })
})
