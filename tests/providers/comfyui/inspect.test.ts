import { describe, expect, it } from 'vitest'
import { comfyuiFixture, quickPace } from '../../helpers/providers/comfyui.ts'

const { open, createProvider } = comfyuiFixture()

const gpu = {
  name: 'cuda:0 NVIDIA GeForce RTX 4090',
  type: 'cuda',
  memoryTotal: 25_393_692_672,
  memoryFree: 20_000_000_000,
}

describe('the inspection of ComfyUI', () => {
  it.each([
    ['old', '0.3.64'],
    ['new', '0.38.1'],
  ] as const)('describes a server of the %s version', async (version, number) => {
    const emulator = await open({ version, auth: 'a-key' })
    const inspection = await createProvider(emulator.url, { key: 'a-key' }).inspect?.()
    expect(inspection?.servers).toEqual([
      { url: emulator.url, connected: true, busy: 0, version: number, devices: [gpu] },
    ])
    expect(inspection?.files).toMatchObject({
      checkpoints: ['flux1-dev-fp8.safetensors', 'flux1-schnell-fp8.safetensors'],
      vae: ['ae.safetensors'],
      loras: [],
    })
  })

  it('lists all servers, also those that are unavailable or refuse the key', async () => {
    const vae = ['ae.safetensors']
    const [one, two] = [
      await open({ files: { vae } }),
      await open({ files: { vae, loras: ['b.safetensors', 'a.pt'] } }),
    ]
    const refusing = await open({ auth: 'a-key' })
    const unavailable = 'http://127.0.0.1:9'
    const inspection = await createProvider([one.url, two.url, refusing.url, unavailable].join()).inspect?.()
    expect(inspection?.servers.map(({ url, connected }) => [url, connected])).toEqual([
      [one.url, true],
      [two.url, true],
      [refusing.url, false],
      [unavailable, false],
    ])
    expect(inspection?.files).toMatchObject({ vae, loras: ['a.pt', 'b.safetensors'], diffusion_models: [] })
  })

  it('is cached for all callers', async () => {
    const emulator = await open()
    const provider = createProvider(emulator.url)
    await Promise.all([provider.inspect?.(), provider.inspect?.()])
    await provider.inspect?.()
    const paths = emulator.requests.map(({ path }) => path)
    expect(paths.filter((path) => path === '/system_stats')).toHaveLength(1)
    expect(new Set(paths).size).toBe(paths.length)
  })

  it('hides the name and password of an address', async () => {
    const emulator = await open()
    const provider = createProvider(emulator.url.replace('//', '//ann:secret-word@'))
    expect(JSON.stringify(await provider.inspect?.())).not.toContain('secret-word')
  })

  it.each([
    '502html',
    'garbage',
    'truncated',
    'empty',
    'endless',
    'gzipBomb',
    'hugeLength',
    'hang',
    'slowLoris',
  ] as const)('lists a server as not connected when its responses are invalid: %s', async (kind) => {
    const emulator = await open()
    emulator.faults.add({ kind })
    const inspection = await createProvider(emulator.url, quickPace).inspect?.()
    expect(inspection?.servers).toEqual([{ url: emulator.url, connected: false }])
    expect(Object.values(inspection?.files ?? {}).flat()).toEqual([])
  })
})
