import { afterEach, describe, expect, it } from 'vitest'
import { createComfyui } from '../../../src/providers/comfyui/comfyui.ts'
import { type Comfyui, type ComfyuiOptions, startComfyui } from '../../emulators/comfyui/index.ts'
import { keepLog } from '../../helpers/log.ts'
import { quickPace } from '../../helpers/providers/comfyui.ts'

const opened: (() => Promise<unknown> | undefined)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

async function open(options?: ComfyuiOptions): Promise<Comfyui> {
  const emulator = await startComfyui(options)
  opened.push(() => emulator.stop())
  return emulator
}

function providerAt(baseUrl: string, key?: string) {
  const provider = createComfyui({ baseUrl, key }, { log: keepLog() }, quickPace)
  opened.push(() => provider.close?.())
  return provider
}

const gpu = {
  name: 'cuda:0 NVIDIA GeForce RTX 4090',
  type: 'cuda',
  memoryTotal: 25_393_692_672,
  memoryFree: 20_000_000_000,
}

describe('what ComfyUI runs on', () => {
  it.each([
    ['old', '0.3.64'],
    ['new', '0.38.1'],
  ] as const)('is told by a server of %s', async (version, number) => {
    const emulator = await open({ version, auth: 'a-key' })
    const inspection = await providerAt(emulator.url, 'a-key').inspect?.()
    expect(inspection?.servers).toEqual([
      { url: emulator.url, connected: true, busy: 0, version: number, devices: [gpu] },
    ])
    expect(inspection?.files).toMatchObject({
      checkpoints: ['flux1-dev-fp8.safetensors', 'flux1-schnell-fp8.safetensors'],
      vae: ['ae.safetensors'],
      loras: [],
    })
  })

  it('are all servers together, those that are away or refuse us too', async () => {
    const vae = ['ae.safetensors']
    const [one, two] = [
      await open({ files: { vae } }),
      await open({ files: { vae, loras: ['b.safetensors', 'a.pt'] } }),
    ]
    const closed = await open({ auth: 'a-key' })
    const away = 'http://127.0.0.1:9'
    const inspection = await providerAt([one.url, two.url, closed.url, away].join()).inspect?.()
    expect(inspection?.servers.map(({ url, connected }) => [url, connected])).toEqual([
      [one.url, true],
      [two.url, true],
      [closed.url, false],
      [away, false],
    ])
    expect(inspection?.files).toMatchObject({ vae, loras: ['a.pt', 'b.safetensors'], diffusion_models: [] })
  })

  it('is looked at once for all who ask', async () => {
    const emulator = await open()
    const provider = providerAt(emulator.url)
    await Promise.all([provider.inspect?.(), provider.inspect?.()])
    await provider.inspect?.()
    const asked = emulator.requests.map(({ path }) => path)
    expect(asked.filter((path) => path === '/system_stats')).toHaveLength(1)
    expect(new Set(asked).size).toBe(asked.length)
  })

  it('does not show the name and password of an address', async () => {
    const emulator = await open()
    const provider = providerAt(emulator.url.replace('//', '//ann:secret-word@'))
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
  ] as const)('is unknown of a server that answers badly: %s', async (kind) => {
    const emulator = await open()
    emulator.faults.add({ kind })
    const inspection = await providerAt(emulator.url).inspect?.()
    expect(inspection?.servers).toEqual([{ url: emulator.url, connected: false }])
    expect(Object.values(inspection?.files ?? {}).flat()).toEqual([])
  })
})
