import { toFile } from 'openai'
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { sketch } from '../../../../src/models/sketch.ts'
import { upscale } from '../../../../src/models/upscale.ts'
import { lanczos } from '../../../../src/providers/lanczos/lanczos.ts'
import { createPlain, pngOf } from '../../../helpers/core.ts'
import { keepLog } from '../../../helpers/log.ts'
import { closeService, openService, type Service } from './service.ts'

let service: Service
afterEach(async () => {
  expect(await closeService(service)).toEqual([])
})

async function open() {
  const builtIn = lanczos.create({ baseUrl: 'lanczos:', timeoutMs: 60_000, concurrency: 5 }, { log: keepLog() })
  service = await openService({ providers: [createPlain(), builtIn], models: [sketch, upscale] })
  await service.test.work()
  return service.client()
}

describe('the model upscale', () => {
  it('is listed, and is not chosen for an edit that names no model', async () => {
    const client = await open()
    const ids: string[] = []
    for await (const { id } of client.models.list()) ids.push(id)
    expect(ids).toContain('upscale')
    const image = await toFile(await pngOf(30, 20), 'a.png', { type: 'image/png' })
    await expect(client.images.edit({ prompt: '', image })).rejects.toMatchObject({ status: 400, param: 'prompt' })
  })

  it.each([
    [undefined, 2],
    [4, 4],
  ])('enlarges the image of a form with scale %s', async (scale, factor) => {
    const client = await open()
    const image = await toFile(await pngOf(30, 20), 'a.png', { type: 'image/png' })
    // a field of ours, which the types of the client do not know
    const body = { model: 'upscale', prompt: '', image, ...(scale && { scale }) }
    const { data } = await client.images.edit(body)
    const { width, height } = await sharp(Buffer.from(data?.[0]?.b64_json ?? '', 'base64')).metadata()
    expect([width, height]).toEqual([30 * factor, 20 * factor])
    expect(await service.balance()).toBe(20 - 2 * factor)
  })

  it.each([
    ['words', { prompt: 'larger' }, { param: 'prompt' }],
    ['an unknown scale', { scale: 3 }, { param: 'scale' }],
    ['a size', { size: '16:9' }, { status: 400 }],
    ['a second image', { image: 'two' }, { param: 'image' }],
    ['no image', { image: [] }, { param: 'image' }],
  ])('refuses %s by name, at no cost', async (_what, fields, expected) => {
    await open()
    const link = `data:image/png;base64,${(await pngOf(30, 20)).toString('base64')}`
    const { image, ...others } = fields as { image?: unknown }
    const body = { model: 'upscale', image: image === 'two' ? [link, link] : (image ?? link), ...others }
    const error = await service
      .client()
      .post('/images/edits', { body })
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ status: 400, ...expected })
    expect(await service.balance()).toBe(20)
  })

  it('refuses words alone, and models that draw refuse a scale', async () => {
    const client = await open()
    const generate = (body: object) => client.images.generate({ prompt: 'a cat', ...body })
    await expect(generate({ model: 'upscale' })).rejects.toMatchObject({ status: 400, param: 'image' })
    await expect(generate({ scale: 2 })).rejects.toMatchObject({ status: 400, param: 'scale' })
  })
})
