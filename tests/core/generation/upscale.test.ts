import { sql } from 'drizzle-orm'
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import type { ImageProvider } from '../../../src/core/ports/providers.ts'
import { fluxDev } from '../../../src/models/flux-dev.ts'
import { sketch } from '../../../src/models/sketch.ts'
import { upscale } from '../../../src/models/upscale.ts'
import { createComfyui } from '../../../src/providers/comfyui/comfyui.ts'
import { lanczos } from '../../../src/providers/lanczos/lanczos.ts'
import { startComfyui } from '../../emulators/comfyui/index.ts'
import { startFal } from '../../emulators/fal/index.ts'
import { quickest } from '../../helpers/backends.ts'
import { attachment, createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'
import { keepLog } from '../../helpers/log.ts'
import { createFal } from '../../helpers/providers/fal.ts'

const builtIn = () => lanczos.create({ baseUrl: 'lanczos:', timeoutMs: 60_000, concurrency: 5 }, { log: keepLog() })
const comfyFor = (baseUrl: string) => createComfyui({ baseUrl }, { log: keepLog() })

describe('a request to enlarge', () => {
  let test: TestCore
  const closing: (() => unknown)[] = []
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    await test.close()
    for (const close of closing.splice(0)) await close()
    expect(wrong).toEqual([])
  })

  async function open(providers: ImageProvider[]) {
    closing.push(...providers.map((provider) => () => provider.close?.()))
    test = await openTestCore(quickest, {
      providers: [...providers, createPlain()],
      models: [sketch, upscale, fluxDev],
      limits: { welcome: 20 },
      providerMs: 30_000,
    })
    await test.work()
  }

  async function ask(text: string, images: readonly Buffer[]) {
    const call = await test.say(text, { images: images.map((data) => attachment(data)) })
    return { call, text: test.chat.last(call.address)?.text ?? '' }
  }

  async function result(text: string, images: readonly Buffer[]) {
    const { call } = await ask(text, images)
    expect(await test.ended(call)).toBe('delivered')
    const [picture] = test.chat.last(call.address)?.pictures ?? []
    const [row] = await test.core.database.rows<{ provider: string; endpoint: string; tried: object[]; price: number }>(
      sql`select provider, endpoint, tried, price from generations where key = ${call.key}`,
    )
    const { width, height } = await sharp(picture?.file.data).metadata()
    return { ...row, size: [width, height], caption: test.chat.last(call.address)?.text ?? '' }
  }

  const balance = async () =>
    (await test.core.database.rows<{ balance: number }>(sql`select balance from users`))[0]?.balance

  it('needs no service, and costs by its scale', async () => {
    await open([builtIn()])
    const twice = await result('--model upscale', [await pngOf(120, 80)])
    expect(twice).toMatchObject({ provider: 'lanczos', price: 4, size: [240, 160] })
    expect(twice.caption).toContain('240×160')
    const four = await result('--model upscale --scale 4x', [await pngOf(70, 50)])
    expect(four).toMatchObject({ price: 8, size: [280, 200] })
    expect(await balance()).toBe(20 - 4 - 8)
  })

  it.each([
    ['more pixels than can be stored', [3200, 3000], 4, '12,800 × 12,000 pixels. At most 36 megapixels'],
    ['a side that is too long', [4200, 60], 4, '16,800 × 240 pixels. A side may have at most 16,383'],
  ] as const)(
    'is refused before credits move when the result would have %s',
    async (_why, [width, height], scale, words) => {
      await open([builtIn()])
      const { text } = await ask(`--model upscale --scale ${scale}`, [await pngOf(width, height)])
      expect(text).toContain(words)
      expect(await balance()).toBe(20)
      const rows = await test.core.database.rows(sql`select from generations`)
      expect(rows).toHaveLength(0)
    },
  )

  it.each([
    ['--model upscale', 0, 'needs a picture'],
    ['--model upscale', 2, 'at most 1'],
    ['make it larger --model upscale', 1, 'leave the words out'],
    ['--model upscale --scale 3', 1, '"3" does not fit --scale. Use 2, 4'],
    ['--model upscale --scale big', 1, '"big" does not fit --scale'],
    ['--model upscale --seed 7', 1, 'does not take --seed'],
    ['a cat --scale 2', 0, 'does not take --scale'],
  ])('is refused by name: %s with %i pictures', async (words, count, why) => {
    await open([builtIn()])
    const { text } = await ask(words, await Promise.all(Array.from({ length: count }, () => pngOf(64, 64))))
    expect(text).toContain(why)
  })

  it('is served by fal, twice by one endpoint and four times by another', async () => {
    const fal = await startFal()
    closing.push(fal.stop)
    await open([createFal(fal.url, { key: fal.key }), builtIn()])
    const twice = await result('--model upscale', [await pngOf(160, 120)])
    expect(twice).toMatchObject({ endpoint: 'fal-ai/clarity-upscaler', size: [320, 240], tried: [] })
    const four = await result('--model upscale --scale 4', [await pngOf(160, 120)])
    expect(four).toMatchObject({ endpoint: 'fal-ai/aura-sr', size: [640, 480], tried: [] })
    expect(fal.accepted()).toBe(2)
  })

  it('is served by ComfyUI while fal is not there, in the exact size', async () => {
    const [fal, comfy] = [await startFal(), await startComfyui({ files: { upscale_models: ['8x_NMKD.pth'] } })]
    closing.push(comfy.stop)
    await open([createFal(fal.url, { key: fal.key }), comfyFor(comfy.url), builtIn()])
    await fal.stop()
    const { provider, size, tried } = await result('--model upscale', [await pngOf(90, 70)])
    expect({ provider, size, tried }).toEqual({
      provider: 'comfyui',
      size: [180, 140],
      tried: [{ provider: 'fal', endpoint: 'fal-ai/clarity-upscaler', error: 'provider_failed' }],
    })
  })

  it('uses the model file for its scale if the server has one', async () => {
    const comfy = await startComfyui({
      files: { upscale_models: ['1x_DeJPG.pth', '4x_NMKD.pth', 'sub/RealESRGAN_x2.pth'] },
    })
    closing.push(comfy.stop)
    await open([comfyFor(comfy.url), builtIn()])
    await result('--model upscale', [await pngOf(64, 64)])
    await result('--model upscale --scale 4', [await pngOf(64, 64)])
    const graphs = comfy.requests
      .filter(({ method, path }) => method === 'POST' && path === '/prompt')
      .map(({ body }) => JSON.parse(String(body)))
    const files = graphs.flatMap(({ prompt }) => prompt?.['2']?.inputs.model_name ?? [])
    expect(files).toEqual(['sub/RealESRGAN_x2.pth', '4x_NMKD.pth'])
  })

  it('is served in this process when the ComfyUI server has no file to enlarge with', async () => {
    const comfy = await startComfyui({ files: { upscale_models: [] } })
    closing.push(comfy.stop)
    await open([comfyFor(comfy.url), builtIn()])
    const { provider, size, tried } = await result('--model upscale', [await pngOf(64, 64)])
    expect({ provider, size }).toEqual({ provider: 'lanczos', size: [128, 128] })
    expect(tried).toEqual([{ provider: 'comfyui', endpoint: 'upscale', error: 'provider_missing' }])
    expect(comfy.accepted()).toBe(0)
  })
})
