import { randomUUID } from 'node:crypto'
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import type { Task } from '../../src/core/ports/providers.ts'
import { createLog } from '../../src/log.ts'
import { openai } from '../../src/providers/openai/openai.ts'
import { failure, finish } from '../contracts/provider.ts'
import { picture } from '../emulators/pictures.ts'
import { chatTask, imageTask, type OpenOpenAi, openOpenAi } from '../helpers/providers/openai.ts'

const opened: OpenOpenAi[] = []
const open = async (...options: Parameters<typeof openOpenAi>) => {
  const one = await openOpenAi(...options)
  opened.push(one)
  return one
}
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

const signal = () => AbortSignal.timeout(20_000)
const file = async (width: number) => ({
  data: await picture(width, 64, 'png'),
  type: 'image/png' as const,
  width,
  height: 64,
})
const widths = (images: readonly Buffer[]) =>
  Promise.all(images.map(async (image) => (await sharp(image).metadata()).width))

describe('the provider openai', () => {
  it('returns the pictures of one call at once, in base64', async () => {
    const { provider, task } = await open()
    const done = await provider.start(task('a cat', { count: 3 }), signal())
    if (done.state !== 'done') throw new Error('expected pictures')
    expect(await widths(done.images)).toEqual([1024, 1024, 1024])
    expect(done.notes).toEqual([])
  })

  it('says when pictures are missing', async () => {
    const { provider, task } = await open()
    expect(await provider.start(task('onefails', { count: 3 }), signal())).toMatchObject({
      notes: [{ kind: 'some_missing', data: { count: 2, asked: 3 } }],
    })
  })

  it('sends pictures in a form, each in a field of its own', async () => {
    const { provider, task, emulator, requests } = await open()
    const images = [await file(64), await file(96)]
    await finish(provider, task('make it night', { images }))
    const sent = emulator.bodies[0] as { images: Buffer[] }
    expect(await widths(sent.images)).toEqual([64, 96])
    expect(requests[0]?.body.toString('latin1').match(/name="image\[\]"; filename="image-\d\.png"/g)).toHaveLength(2)
  })

  it('saves addresses as a ticket, and takes an empty text for an absent one', async () => {
    const { provider, emulator } = await open()
    for (const [model, count] of [
      ['relay-image', 2],
      ['mixed-image', 2],
    ] as const) {
      const work = imageTask(model)('a cat', { count })
      const pending = await provider.start(work, signal())
      expect(pending).toMatchObject({ state: 'pending', ticket: { asked: 2 } })
      const { images } = await finish(provider, work)
      expect(await widths(images)).toEqual([1024, 1024])
    }
    // a link is signed: the key must not be sent with it
    expect(emulator.requests.filter(({ path }) => path.startsWith('/relay-files')).map(({ status }) => status)).toEqual(
      [200, 200, 200],
    )
  })

  it('shows previews of a stream before its picture', async () => {
    const { provider, task, emulator } = await open()
    const work = task('a cat')
    const streamed = { ...work, input: { ...(work.input as object), stream: true, partial_images: 2 } } as Task
    const previews: Buffer[] = []
    const done = await provider.start(streamed, signal(), (preview) => previews.push(preview))
    expect(await widths(previews)).toEqual([256, 256])
    if (done.state !== 'done') throw new Error('expected a picture')
    expect(await widths(done.images)).toEqual([1024])
    emulator.switches.noStreams = true
    expect(await provider.start(streamed, signal())).toMatchObject({ state: 'done' })
    emulator.switches.noStreams = false
    emulator.switches.cutStreams = true
    expect(await failure(provider.start(streamed, signal()))).toMatchObject({ kind: 'bad_result', neverRan: false })
  })

  it.each(['chat-markdown', 'chat-hosted', 'chat-fields'])('reads the picture in a message of %s', async (model) => {
    const { provider, emulator } = await open()
    const { images } = await finish(provider, chatTask(model)('a cat', { images: [await file(64)] }))
    expect(await widths(images)).toEqual([1024])
    const [{ messages }] = emulator.bodies as unknown as [
      { messages: { content: { image_url?: { url: string } }[] }[] },
    ]
    expect(messages[0]?.content[1]?.image_url?.url).toMatch(/^data:image\/png;base64,/)
  })

  it('passes on the words of a model that draws nothing', async () => {
    const { provider } = await open()
    expect(await failure(provider.start(chatTask('chat-markdown')('talk'), signal()))).toMatchObject({
      kind: 'provider_refused',
      data: { reason: 'I can only draw one thing at a time. Which one?' },
    })
  })

  it.each([
    ['nsfw', imageTask('gpt-image-2')],
    ['nsfwempty', imageTask('gpt-image-2')],
    ['nsfwerror', imageTask('relay-image')],
    ['nsfw', chatTask('chat-markdown')],
    ['nsfwempty', chatTask('chat-markdown')],
  ])('reports refused content (%s) as moderated', async (words, task) => {
    const { provider } = await open()
    expect(await failure(provider.start(task(words), signal()))).toMatchObject({ kind: 'moderated' })
  })

  it('names what the service refuses, an empty account and a missing model', async () => {
    const { provider, emulator, task } = await open()
    const wrong = { ...task('a cat'), input: { model: 'gpt-image-2', prompt: 'a cat', seed: 7 } }
    expect(await failure(provider.start(wrong, signal()))).toMatchObject({
      kind: 'provider_refused',
      neverRan: true,
      data: { reason: "Unknown parameter: 'seed'." },
    })
    expect(await failure(provider.start(imageTask('gone')('a cat'), signal()))).toMatchObject({
      kind: 'provider_refused',
      neverRan: true,
    })
    emulator.switches.empty = true
    expect(await failure(provider.start(task('a cat'), signal()))).toMatchObject({
      kind: 'provider_account',
      neverRan: true,
    })
    expect(emulator.accepted()).toBe(0)
  })

  it('reads pictures where the model says', async () => {
    const { provider, task } = await open()
    const placed = { ...task('a cat'), result: { pictures: 'data[].b64_json' } }
    expect(await provider.start(placed, signal())).toMatchObject({ state: 'done' })
    const nowhere = { ...task('a cat'), result: { pictures: 'images[].url' } }
    expect(await failure(provider.start(nowhere, signal()))).toMatchObject({ kind: 'bad_result', neverRan: false })
  })

  it('tests a relay that has no list of models, and an address with and without /v1', async () => {
    const { provider, emulator, createAnother } = await open()
    await provider.test?.(signal())
    emulator.switches.noList = true
    await createAnother().test?.(signal())
    const bare = openai.create(
      { baseUrl: emulator.url, key: emulator.key, timeoutMs: 10_000, concurrency: 1 },
      { log: createLog('silent') },
    )
    await bare.test?.(signal())
    expect(new Set(emulator.requests.map(({ path }) => path))).toEqual(new Set(['/v1/models']))
    await bare.close?.()
  })

  it('shows what it would send, without the key', async () => {
    const { provider, task, key, emulator } = await open()
    const shown = provider.submission?.({ ...task('a cat', { images: [await file(64)] }), id: randomUUID() })
    expect(shown).toMatchObject({ method: 'POST', url: `${emulator.baseUrl}/images/edits` })
    expect(shown?.body).toEqual(
      expect.arrayContaining([
        ['prompt', 'a cat'],
        ['image[]', expect.stringMatching(/^<image-1\.png, image\/png, \d+ bytes>$/)],
      ]),
    )
    expect(JSON.stringify(shown)).not.toContain(key)
    expect(emulator.requests).toEqual([])
  })
})
