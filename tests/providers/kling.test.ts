import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { kling3, kling21 } from '../../src/models/kling.ts'
import { failure, finish } from '../contracts/provider.ts'
import { picture } from '../emulators/pictures.ts'
import { klingTask, type OpenKling, openKling } from '../helpers/providers/kling.ts'

const opened: OpenKling[] = []
const open = async (...options: Parameters<typeof openKling>) => {
  const one = await openKling(...options)
  opened.push(one)
  return one
}
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

const small = picture(64, 48, 'png')
const quick = { picture: () => small }
const signal = () => AbortSignal.timeout(20_000)
const files = async (count: number) =>
  Array.from({ length: count }, () => small).map(async (data) => ({
    data: await data,
    type: 'image/png' as const,
    width: 64,
    height: 48,
  }))
const inputs = async (count: number) => Promise.all(await files(count))

describe('the provider kling', () => {
  it('signs a token for each half of its life, and sends a key without a secret as it is', async () => {
    const signed = await open(quick)
    await finish(signed.provider, signed.task('a cat'))
    const tokens = signed.requests.flatMap(({ path, headers }) =>
      path.startsWith('/v1/') ? [headers.authorization] : [],
    )
    expect(tokens.length).toBeGreaterThan(1)
    expect(new Set(tokens).size).toBe(1)
    expect(tokens[0]).toMatch(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/)
    const plain = await open(quick, 'plain-emulated-kling-0001')
    expect((await finish(plain.provider, plain.task('a cat'))).images).toHaveLength(1)
  })

  it.each([
    ['kling', kling3, 0, 'generations', 'kling-v3'],
    ['kling', kling3, 2, 'omni-image', 'kling-v3-omni'],
    ['kling-2-1', kling21, 0, 'generations', 'kling-v2-1'],
    ['kling-2-1', kling21, 1, 'generations', 'kling-v2-1'],
    ['kling-2-1', kling21, 4, 'multi-image2image', 'kling-v2-1'],
  ] as const)('draws %s with %3$i pictures by %4$s', async (_, model, images, kind, name) => {
    const { provider, emulator, requests } = await open(quick)
    const { images: drawn } = await finish(
      provider,
      klingTask(model)('a cat', { images: await inputs(images), count: 3 }),
    )
    expect(drawn).toHaveLength(3)
    expect(emulator.tasks).toMatchObject([{ kind, body: { model_name: name, n: 3, aspect_ratio: '1:1' } }])
    const polls = requests.filter(({ method, path }) => method === 'GET' && path.startsWith('/v1/'))
    expect(new Set(polls.map(({ path }) => path))).toEqual(new Set([`/v1/images/${kind}/${emulator.tasks[0]?.id}`]))
  })

  it('names the pictures in the prompt of the model that needs it, unless the prompt does', async () => {
    const { provider, emulator, task } = await open(quick)
    await finish(provider, task('put them side by side', { images: await inputs(2) }))
    await finish(provider, task('put <<<image_2>>> first', { images: await inputs(2) }))
    expect(emulator.tasks.map(({ body }) => body.prompt)).toEqual([
      '<<<image_1>>> <<<image_2>>> put them side by side',
      'put <<<image_2>>> first',
    ])
  })

  it('says when pictures are missing', async () => {
    const { provider, task } = await open(quick)
    expect(await finish(provider, task('onefails', { count: 3 }))).toMatchObject({
      notes: [{ kind: 'some_missing', data: { count: 2, asked: 3 } }],
    })
  })

  it('finds a task whose submission was not answered, by our id in the list', async () => {
    const { provider, task, faults, phases, emulator } = await open(quick)
    faults.add({ kind: 'dropAfter', match: phases.submit, times: 1 })
    const lost = task('a cat')
    expect(await failure(provider.start(lost, signal()))).toMatchObject({ neverRan: false })
    const found = await provider.find?.(lost, signal())
    if (typeof found !== 'object' || found.state !== 'pending') throw new Error('expected a task under way')
    expect((await finish(provider, lost, found.ticket)).images).toHaveLength(1)
    expect(await provider.find?.(task('another'), signal())).toBe('unknown')
    emulator.switches.listsNoIds = true
    expect(await provider.find?.(lost, signal())).toBe('unknown')
  })

  it.each([
    ['nsfw', 'moderated'],
    ['nsfwout', 'moderated'],
    ['broken', 'provider_failed'],
  ])('reports %s as %s, and that it costs nothing', async (words, kind) => {
    const { provider, task } = await open(quick)
    expect(await failure(finish(provider, task(words)))).toMatchObject({ kind, neverRan: true })
  })

  it('names a used-up package, taken slots, a wrong parameter and a forgotten task', async () => {
    const { provider, task, emulator } = await open(quick)
    const wrong = { ...task('a cat'), input: { prompt: 'a cat', seed: 7 } }
    expect(await failure(provider.start(wrong, signal()))).toMatchObject({
      kind: 'provider_refused',
      neverRan: true,
      data: { reason: expect.stringContaining('seed') },
    })
    emulator.switches.usedUp = true
    expect(await failure(provider.start(task('a cat'), signal()))).toMatchObject({ kind: 'provider_quota' })
    emulator.switches.usedUp = false
    emulator.switches.full = true
    expect(await failure(provider.start(task('a cat'), signal()))).toMatchObject({
      kind: 'provider_busy',
      neverRan: true,
    })
    emulator.switches.full = false
    expect(emulator.accepted()).toBe(0)
    const started = await provider.start(task('a cat'), signal())
    if (started.state !== 'pending') throw new Error('expected a task under way')
    emulator.expire()
    expect(await failure(finish(provider, task('a cat'), started.ticket))).toMatchObject({ kind: 'unresolved' })
  })
})

describe.each([kling3, kling21])('$id', (model) => {
  it('is accepted with each ratio and the shape of that ratio', async () => {
    const { provider, emulator } = await open()
    for (const [aspect, [width, height]] of Object.entries(model.routes[0]?.takes.aspects ?? {})) {
      const [route] = model.routes
      if (!route) throw new Error('no route')
      const request = { prompt: 'a cat', model: model.id, aspect, width, height, count: 1, images: 0 }
      const input = route.input({ ...request, negative: 'dogs' }, [])
      const { images } = await finish(provider, {
        id: crypto.randomUUID(),
        endpoint: route.endpoint,
        images: [],
        input,
      })
      expect(emulator.tasks.at(-1)?.body).toMatchObject({ aspect_ratio: aspect, negative_prompt: 'dogs' })
      const drawn = await sharp(images[0]).metadata()
      expect(Math.abs(drawn.width / drawn.height / (width / height) - 1), aspect).toBeLessThan(0.02)
    }
  })
})
