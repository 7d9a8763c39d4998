import { describe, expect, it } from 'vitest'
import { failure } from '../../contracts/provider.ts'
import { begin, comfyuiFixture, comfyuiTask, finish } from '../../helpers/providers/comfyui.ts'

const { open, createProvider } = comfyuiFixture()
const signal = () => AbortSignal.timeout(20_000)

describe('several ComfyUI servers', () => {
  it('share the work, because the least busy one is chosen', async () => {
    const servers = [await open({ workMs: 60_000 }), await open({ workMs: 60_000 })]
    const provider = createProvider(servers)
    for (let n = 0; n < 4; n++) await begin(provider, comfyuiTask('comfy-dev'))
    expect(servers.map((server) => server.work.remaining())).toEqual([2, 2])
  })

  it('share work that arrives at the same time', async () => {
    const servers = [await open({ workMs: 60_000 }), await open({ workMs: 60_000 })]
    const provider = createProvider(servers)
    await Promise.all(Array.from({ length: 6 }, () => begin(provider, comfyuiTask('comfy-dev'))))
    expect(servers.map((server) => server.work.remaining())).toEqual([3, 3])
  })

  it('replace one that is unavailable and one without the model files', async () => {
    const [unavailable, empty, complete] = [await open(), await open({ files: {} }), await open()]
    const provider = createProvider([unavailable, empty, complete])
    await unavailable.stop()
    const { images } = await finish(provider, comfyuiTask('comfy-dev'))
    expect(images).toHaveLength(1)
    expect([empty.accepted(), complete.accepted()]).toEqual([0, 1])
  })

  it('report that nothing ran when none responds', async () => {
    const servers = [await open(), await open()]
    const provider = createProvider(servers)
    for (const server of servers) await server.stop()
    expect(await failure(provider.start(comfyuiTask('comfy-dev'), signal()))).toMatchObject({
      kind: 'provider_failed',
      neverRan: true,
      data: { reason: 'none of the 2 servers answers' },
    })
  })

  it('are all searched for a lost run, which an unavailable one may have', async () => {
    const [first, second] = [await open(), await open()]
    const provider = createProvider([first, second])
    const task = comfyuiTask('comfy-dev')
    expect(await provider.find!(task, signal())).toBe('never')
    await begin(createProvider([second]), task)
    expect(await provider.find!(task, signal())).toMatchObject({ ticket: { server: second.url } })
    await second.stop()
    expect(await provider.find!(task, signal())).toBe('unknown')
  })

  it('are all included in the test of address and key', async () => {
    const servers = [await open({ auth: 'comfy-key-12345' }), await open({ auth: 'comfy-key-12345' })]
    await createProvider(servers, { key: 'comfy-key-12345' }).test!(signal())
    expect(servers.map(({ requests }) => requests.map(({ path }) => path))).toEqual([
      ['/system_stats'],
      ['/system_stats'],
    ])
    expect(await failure(createProvider(servers, { key: 'another' }).test!(signal()))).toMatchObject({
      kind: 'provider_account',
    })
    await servers[1]!.stop()
    expect(await failure(createProvider(servers, { key: 'comfy-key-12345' }).test!(signal()))).toMatchObject({
      kind: 'provider_failed',
    })
  })

  it('receive the key only while they are configured', async () => {
    const [configured, removed] = [await open({ auth: 'comfy-key-12345', previews: true }), await open()]
    const provider = createProvider([configured], { key: 'comfy-key-12345' })
    const { seen } = await finish(provider, comfyuiTask('comfy-dev'))
    expect(seen.some(({ preview }) => preview)).toBe(true)
    expect(JSON.stringify(seen)).not.toContain('comfy-key-12345')
    const ticket = { server: removed.url, promptId: 'x' }
    expect(await failure(provider.check!(ticket, comfyuiTask('comfy-dev'), signal()))).toMatchObject({
      kind: 'provider_failed',
      data: { reason: 'its server is no longer configured' },
    })
    expect(removed.requests).toEqual([])
  })
})
