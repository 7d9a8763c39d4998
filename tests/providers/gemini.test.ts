import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import type { PictureRequest } from '../../src/core/ports/models.ts'
import { geminiImage, geminiImage25, geminiImagePro } from '../../src/models/gemini.ts'
import { failure, finish } from '../contracts/provider.ts'
import { sizes } from '../emulators/gemini/schemas.ts'
import { picture } from '../emulators/pictures.ts'
import { type OpenGemini, openGemini } from '../helpers/providers/gemini.ts'
import type { HarnessOptions } from '../helpers/providers/harness.ts'

const opened: OpenGemini[] = []
const open = async (options: HarnessOptions = {}) => {
  const one = await openGemini(options)
  opened.push(one)
  return one
}
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

const signal = () => AbortSignal.timeout(20_000)
const sizesOf = (images: readonly Buffer[]) =>
  Promise.all(
    images.map(async (image) => {
      const { width, height } = await sharp(image).metadata()
      return [width, height]
    }),
  )

describe('the provider gemini', () => {
  it('draws several pictures with a call and a seed for each', async () => {
    const { provider, task, emulator } = await open()
    const wanted = task('a cat', { count: 3 })
    const input = wanted.input as { generationConfig: object }
    const seeded = { ...input, generationConfig: { ...input.generationConfig, seed: 2 ** 31 - 2 } }
    const done = await provider.start({ ...wanted, input: seeded }, signal())
    if (done.state !== 'done') throw new Error('expected pictures')
    expect(done.images).toHaveLength(3)
    expect(done.notes).toEqual([])
    expect(new Set(emulator.bodies.map(({ generationConfig }) => generationConfig?.seed))).toEqual(
      new Set([2 ** 31 - 2, 2 ** 31 - 1, 0]),
    )
  })

  it('delivers what was drawn where some calls fail, and the error of one that may have run where all fail', async () => {
    const { provider, task, emulator, faults } = await open()
    emulator.switches.callsLeft = 2
    expect(await provider.start(task('a cat', { count: 4 }), signal())).toMatchObject({
      images: [expect.any(Buffer), expect.any(Buffer)],
      notes: [{ kind: 'some_missing', data: { count: 2, asked: 4 } }],
    })
    expect(await failure(provider.start(task('a cat', { count: 2 }), signal()))).toMatchObject({
      kind: 'provider_busy',
      neverRan: true,
    })
    faults.add({ kind: 'dropAfter', match: { method: 'POST' }, times: 1 })
    expect(await failure(provider.start(task('a cat', { count: 2 }), signal()))).toMatchObject({
      kind: 'provider_failed',
      neverRan: false,
    })
  })

  it('sends input pictures inline, in order and before the words, and keeps the shape of the first', async () => {
    const { provider, emulator } = await open()
    const file = async (width: number, height: number) => ({
      data: await picture(width, height, 'png'),
      type: 'image/png' as const,
      width,
      height,
    })
    const images = [await file(160, 90), await file(64, 64)]
    const route = geminiImage.routes[1]
    if (!route) throw new Error('no route')
    const request: PictureRequest = {
      prompt: 'make it night',
      model: geminiImage.id,
      aspect: 'auto',
      width: 0,
      height: 0,
      count: 1,
      images: 2,
    }
    const input = route.input(request, [{ $image: 0 }, { $image: 1 }])
    const { images: drawn } = await finish(provider, { id: 'x', endpoint: route.endpoint, images, input, count: 1 })
    expect(await sizesOf(drawn)).toEqual([[1376, 768]])
    expect(emulator.bodies[0]?.contents[0]?.parts).toEqual([
      ...images.map(({ data }) => ({ inlineData: { mimeType: 'image/png', data: data.toString('base64') } })),
      { text: 'make it night' },
    ])
  })

  it.each(['nsfw', 'nsfwout', 'copyright'])('reports a refusal with status 200 (%s) as moderated', async (words) => {
    const { provider, task } = await open()
    expect(await failure(provider.start(task(words), signal()))).toMatchObject({ kind: 'moderated' })
  })

  it('skips drafts, passes on words without a picture, and reports an answer without both', async () => {
    const { provider, task } = await open()
    const { images } = await finish(provider, task('thinking'))
    expect(await sizesOf(images)).toEqual([[1024, 1024]])
    expect(await failure(provider.start(task('talk'), signal()))).toMatchObject({
      kind: 'provider_refused',
      data: { reason: 'I can only draw one thing at a time. Which one?' },
    })
    expect(await failure(provider.start(task('silent'), signal()))).toMatchObject({
      kind: 'bad_result',
      neverRan: false,
    })
  })

  it('names a project without billing and a model that is gone', async () => {
    const { provider, task, emulator } = await open()
    expect(await failure(provider.start({ ...task('a cat'), endpoint: 'gemini-1' }, signal()))).toMatchObject({
      kind: 'provider_refused',
      neverRan: true,
      data: { reason: expect.stringContaining('gemini-1 is not found') },
    })
    emulator.switches.noBilling = true
    expect(await failure(provider.start(task('a cat'), signal()))).toMatchObject({
      kind: 'provider_account',
      neverRan: true,
    })
    expect(emulator.accepted()).toBe(0)
  })
})

describe.each([geminiImage, geminiImagePro, geminiImage25])('$id', (model) => {
  it('names the ratio and the tier of each size that it has', async () => {
    const small = await picture(64, 64, 'png')
    const { provider, emulator } = await open({ picture: async () => small })
    const file = { data: small, type: 'image/png' as const, width: 64, height: 64 }
    for (const route of model.routes) {
      const images = route.takes.images.min
      for (const [aspect, [width, height]] of Object.entries(route.takes.aspects)) {
        const request: PictureRequest = { prompt: 'a cat', model: model.id, aspect, width, height, count: 1, images }
        const input = route.input(request, images > 0 ? [{ $image: 0 }] : [])
        await finish(provider, { id: 'x', endpoint: route.endpoint, images: images > 0 ? [file] : [], input, count: 1 })
        const { aspectRatio, imageSize = '1K' } = emulator.bodies.at(-1)?.generationConfig?.imageConfig ?? {}
        expect(aspectRatio).toBe(aspect === 'auto' ? undefined : aspect)
        if (aspect === 'auto') continue
        const times = Number.parseInt(imageSize, 10)
        const [across, down] = sizes[aspect] ?? [0, 0]
        // the sizes of Gemini 2.5 differ by a few pixels, which the emulator does not know
        expect(Math.abs(width / (across * times) - 1), aspect).toBeLessThan(model === geminiImage25 ? 0.04 : 1e-9)
        expect(Math.abs(height / (down * times) - 1), aspect).toBeLessThan(model === geminiImage25 ? 0.04 : 1e-9)
      }
    }
  })
})
