import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { jimeng31, jimeng40 } from '../../src/models/jimeng.ts'
import { createJimeng } from '../../src/providers/jimeng/jimeng.ts'
import { signedHeaders } from '../../src/providers/jimeng/sign.ts'
import { failure, finish } from '../contracts/provider.ts'
import { picture } from '../emulators/pictures.ts'
import { jimengTask, type OpenJimeng, openJimeng, quickPace } from '../helpers/providers/jimeng.ts'

const opened: OpenJimeng[] = []
const open = async (...options: Parameters<typeof openJimeng>) => {
  const one = await openJimeng(...options)
  opened.push(one)
  return one
}
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

const small = picture(64, 48, 'jpeg')
const quick = { picture: () => small }
const signal = () => AbortSignal.timeout(20_000)
const input = async () => ({ data: await small, type: 'image/jpeg' as const, width: 64, height: 48 })

describe('the signature of Volcengine', () => {
  it('is that of their own client', () => {
    // made with @volcengine/openapi 1.36.2
    const body = '{"req_key":"jimeng_t2i_v31","prompt":"一只 café cat","seed":7}'
    const target = '/?Action=CVSync2AsyncSubmitTask&Version=2022-08-31'
    const keys = { access: 'AKemulated', secret: 'c2VjcmV0LWtleQ==' }
    const request = { host: 'visual.volcengineapi.com', target, body }
    expect(signedHeaders(keys, request, new Date('2026-11-28T12:00:00Z'))).toEqual({
      'x-date': '20261128T120000Z',
      'x-content-sha256': '0392e94bb8bb0236ecad5dac1ca82b422d074dbab297e3a0019250333bc490a8',
      authorization:
        'HMAC-SHA256 Credential=AKemulated/20261128/cn-north-1/cv/request, SignedHeaders=host;x-content-sha256;x-date, ' +
        'Signature=e8c4e3b01921a2e800c4e8a5b0bea5c20b150511a9413b39e724e137d8ff1189',
    })
  })
})

describe('the provider jimeng', () => {
  it('asks for links and no mark, and takes base64 as well', async () => {
    const { provider, task, emulator } = await open(quick)
    expect((await finish(provider, task('a cat'))).images).toHaveLength(1)
    expect((await finish(provider, task('bytes'))).images).toEqual([await small])
    expect(emulator.questions[0]).toEqual({ return_url: true, logo_info: { add_logo: false } })
  })

  it('works below the path of a relay', async () => {
    const { emulator } = await open(quick)
    const settings = { baseUrl: `${emulator.url}/relay/`, key: emulator.key, timeoutMs: 10_000, concurrency: 1 }
    const provider = createJimeng({ ...settings, baseUrl: settings.baseUrl.replace(/\/$/, '') }, quickPace)
    expect((await finish(provider, jimengTask(jimeng40)('a cat'))).images).toHaveLength(1)
    await provider.close?.()
  })

  it.each([
    ['jimeng', jimeng40, 0, 'jimeng_t2i_v40'],
    ['jimeng', jimeng40, 1, 'jimeng_i2i_v30'],
    ['jimeng-3-1', jimeng31, 0, 'jimeng_t2i_v31'],
    ['jimeng-3-1', jimeng31, 1, 'jimeng_i2i_v30'],
  ] as const)('draws %s with %3$i pictures by %4$s', async (_, model, count, name) => {
    const { provider, emulator } = await open(quick)
    const images = count === 1 ? [await input()] : []
    await finish(provider, jimengTask(model)('a cat', { images }))
    expect(emulator.tasks).toMatchObject([{ body: { req_key: name, prompt: 'a cat' } }])
    if (name === 'jimeng_t2i_v40') expect(emulator.tasks[0]?.body).toMatchObject({ force_single: true })
    if (count === 1) {
      expect(emulator.tasks[0]?.body).toMatchObject({ binary_data_base64: [(await small).toString('base64')] })
    }
  })

  it.each([
    ['nsfw', 'moderated', true],
    ['nsfwout', 'moderated', false],
  ])('reports %s as %s', async (words, kind, neverRan) => {
    const { provider, task } = await open(quick)
    expect(await failure(finish(provider, task(words)))).toMatchObject({ kind, neverRan })
  })

  it('names a service that is not activated, taken slots, a wrong parameter and a forgotten task', async () => {
    const { provider, task, emulator } = await open(quick)
    const wrong = { ...task('a cat'), input: { prompt: 'a cat', steps: 7 } }
    expect(await failure(provider.start(wrong, signal()))).toMatchObject({ kind: 'provider_refused', neverRan: true })
    emulator.switches.notOpen = true
    expect(await failure(provider.start(task('a cat'), signal()))).toMatchObject({
      kind: 'provider_account',
      neverRan: true,
    })
    expect(await failure(provider.test?.(signal()) ?? Promise.resolve())).toMatchObject({ kind: 'provider_account' })
    emulator.switches.notOpen = false
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

describe.each([jimeng40, jimeng31])('$id', (model) => {
  it('is accepted with each ratio and a size of that ratio', async () => {
    const { provider, emulator } = await open(quick)
    for (const route of model.routes) {
      for (const [aspect, [width, height]] of Object.entries(route.takes.aspects)) {
        const images = route.takes.images.min === 1 ? [await input()] : []
        await finish(provider, jimengTask(model, aspect)('a cat', { images }))
        expect(emulator.tasks.at(-1)?.body).toMatchObject({ width, height })
        const [across = 1, down = 1] = aspect.split(':').map(Number)
        expect(Math.abs(width / height / (across / down) - 1), aspect).toBeLessThan(0.01)
      }
    }
  })

  it('draws the size that it names', async () => {
    const { provider } = await open()
    const { images } = await finish(provider, jimengTask(model, '16:9')('a cat'))
    const { width, height } = await sharp(images[0]).metadata()
    expect(model.routes[0]?.takes.aspects['16:9']).toEqual([width, height])
  })
})
