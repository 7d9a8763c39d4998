import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import type { Json } from '../../src/db/json.ts'
import { midjourney } from '../../src/models/midjourney.ts'
import { failure, finish } from '../contracts/provider.ts'
import { picture } from '../emulators/pictures.ts'
import { midjourneyTask, type OpenMidjourney, openMidjourney } from '../helpers/providers/midjourney.ts'

const opened: OpenMidjourney[] = []
const open = async (...options: Parameters<typeof openMidjourney>) => {
  const one = await openMidjourney(...options)
  opened.push(one)
  return one
}
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

const kinds = ['plain', 'full'] as const
const signal = () => AbortSignal.timeout(20_000)
const four = { count: 4 }
const inputs = async (count: number) => {
  const data = await picture(64, 48, 'png')
  return Array.from({ length: count }, () => ({ data, type: 'image/png' as const, width: 64, height: 48 }))
}

describe.each(kinds)('the provider midjourney with a %s proxy', (kind) => {
  it('returns the four pictures of a grid, each with the ratio that was asked for', async () => {
    const { provider, emulator } = await open(kind)
    const task = midjourneyTask({ aspect: '16:9', seed: '7', negative: 'dogs, --birds' })
    const { images, notes } = await finish(provider, task('a cat --turbo', four))
    const sizes = await Promise.all(images.map(async (image) => sharp(image).metadata()))
    expect(sizes.map(({ width, height }) => (width / height).toFixed(1))).toEqual(['1.8', '1.8', '1.8', '1.8'])
    expect(new Set(images.map((image) => image.toString('base64'))).size).toBe(4)
    expect(notes).toEqual([])
    expect(emulator.tasks[0]?.prompt).toBe('a cat  turbo --ar 16:9 --seed 7 --no dogs,  birds')
  })

  it('sends pictures with words, and blends two to five without', async () => {
    const { provider, emulator } = await open(kind)
    await finish(provider, midjourneyTask()('make it night', { ...four, images: await inputs(1) }))
    await finish(provider, midjourneyTask({ aspect: '2:3' })('', { ...four, images: await inputs(3) }))
    await finish(provider, midjourneyTask({ aspect: '2:3' })('side by side', { ...four, images: await inputs(2) }))
    expect(emulator.tasks).toMatchObject([
      { action: 'IMAGINE', images: 1, prompt: 'make it night --ar 1:1' },
      { action: 'BLEND', images: 3, dimensions: 'PORTRAIT' },
      { action: 'IMAGINE', images: 2, prompt: 'side by side --ar 2:3' },
    ])
  })

  it('continues its work by the buttons that are offered, each once', async () => {
    const { provider, emulator } = await open(kind)
    const grid = await finish(provider, midjourneyTask()('a cat', four))
    const offered = (ticket: Json | undefined) => provider.continuations!(ticket ?? null)
    const names = (ticket: Json | undefined) => offered(ticket).map(({ act, picture }) => [act, picture].join(''))
    const perPicture = ['upscale1', 'upscale2', 'upscale3', 'upscale4', 'vary1', 'vary2', 'vary3', 'vary4']
    expect(names(grid.ticket).sort()).toEqual(['reroll', ...perPicture])
    const press = (ticket: Json | undefined, act: string, picture?: number) => {
      const continues = offered(ticket).find((each) => each.act === act && each.picture === picture)
      return midjourneyTask({ continues })('a cat', { count: act === 'upscale' ? 1 : 4 })
    }
    const two = await finish(provider, press(grid.ticket, 'upscale', 2))
    const varied = await finish(provider, press(grid.ticket, 'vary', 3))
    const again = await finish(provider, press(varied.ticket, 'reroll'))
    expect([two, varied, again].map(({ images }) => images.length)).toEqual([1, 4, 4])
    expect(two.images[0]?.equals(grid.images[1]!) || kind === 'plain').toBe(true)
    const [first, , third] = emulator.tasks
    expect(emulator.tasks.slice(1)).toMatchObject([
      { action: 'UPSCALE', index: 2, parent: first?.id },
      { action: 'VARIATION', index: 3, parent: first?.id },
      { action: 'REROLL', parent: third?.id },
    ])
    const wider = ['pandown', 'panleft', 'panright', 'panup', 'vary1', 'zoomout', 'zoomoutless']
    expect(names(two.ticket).sort()).toEqual(kind === 'plain' ? [] : wider)
    if (kind === 'full') expect((await finish(provider, press(two.ticket, 'zoomout'))).images).toHaveLength(4)
    // a picture that was upscaled before is returned, and not upscaled again
    const drawn = emulator.accepted()
    expect((await finish(provider, press(grid.ticket, 'upscale', 2))).images).toHaveLength(1)
    expect(emulator.accepted() - drawn).toBe(kind === 'plain' ? 0 : 1)
    emulator.forget()
    expect(await failure(finish(provider, press(grid.ticket, 'vary', 1)))).toMatchObject({
      kind: 'work_gone',
      neverRan: true,
    })
  })

  it('describes a picture in the words of the first of four prompts', async () => {
    const { provider, emulator } = await open(kind)
    const [file] = await inputs(1)
    expect(await provider.describe!(file!, signal())).toBe('a blue square on a white wall, minimalism')
    expect(emulator.tasks).toMatchObject([{ action: 'DESCRIBE', images: 1 }])
  })

  it('reports progress, and each preview once', async () => {
    const { provider, task } = await open(kind, { workMs: 600 })
    const work = task('queued', four)
    let progress = await provider.start(work, signal())
    const percents = new Set<number | undefined>()
    let previews = 0
    while (progress.state === 'pending') {
      percents.add(progress.percent)
      if (progress.preview) previews++
      progress = await provider.check!(progress.ticket, work, signal())
    }
    expect(progress.images).toHaveLength(4)
    expect(percents).toContain(46)
    // the emulator makes a new address each time, as Midjourney does for each preview
    expect(previews).toBeGreaterThan(0)
  })

  it.each([
    ['nsfw', 'moderated', 'nsfw'],
    ['nsfwout', 'moderated', undefined],
    ['badflag', 'provider_refused', 'Unrecognized parameter'],
    ['late', 'provider_timeout', undefined],
    ['noaccount', 'provider_busy', undefined],
    ['modal', 'provider_refused', 'form'],
  ])('reports %s as %s', async (words, error, reason) => {
    const { provider, task } = await open(kind)
    const failed = await failure(finish(provider, task(words, four)))
    expect(failed.kind).toBe(error)
    if (reason !== undefined) expect(failed.data.reason).toContain(reason)
  })

  it('names a full queue, an empty account, a wrong parameter and a forgotten task', async () => {
    const { provider, task, emulator } = await open(kind)
    const wrong = { ...task('a cat'), input: { prompt: 'a cat', steps: 7 } }
    expect(await failure(provider.start(wrong, signal()))).toMatchObject({ kind: 'provider_refused', neverRan: true })
    emulator.switches.full = true
    expect(await failure(provider.start(task('a cat'), signal()))).toMatchObject({
      kind: 'provider_busy',
      neverRan: true,
    })
    emulator.switches.full = false
    emulator.switches.noQuota = true
    expect(await failure(provider.start(task('a cat'), signal()))).toMatchObject({
      kind: 'provider_quota',
      neverRan: true,
    })
    emulator.switches.noQuota = false
    expect(emulator.accepted()).toBe(0)
    const started = await provider.start(task('a cat'), signal())
    if (started.state !== 'pending') throw new Error('expected a task under way')
    emulator.forget()
    expect(await failure(finish(provider, task('a cat'), started.ticket))).toMatchObject({ kind: 'unresolved' })
  })

  it('finds a task whose submission was not answered, where the proxy lists tasks', async () => {
    const { provider, task, faults, phases } = await open(kind)
    faults.add({ kind: 'dropAfter', match: phases.submit, times: 1 })
    const lost = task('a cat', four)
    expect(await failure(provider.start(lost, signal()))).toMatchObject({ neverRan: false })
    const found = await provider.find?.(lost, signal())
    if (kind === 'plain') return expect(found).toBe('unknown')
    if (typeof found !== 'object' || found.state !== 'pending') throw new Error('expected a task under way')
    expect((await finish(provider, lost, found.ticket)).images).toHaveLength(4)
  })
})

describe('the webhook of the provider midjourney', () => {
  const webhookUrl = (id: string) => `https://us.example/hooks/midjourney/${id}/token`
  const hooksIn = ({ requests }: OpenMidjourney) =>
    requests
      .filter(({ method, path }) => method === 'POST' && path.includes('/submit/'))
      .map(({ path, body }) => [path, (JSON.parse(body.toString()) as { notifyHook?: string }).notifyHook])

  it.each(kinds)('is named in every submission to a %s proxy', async (kind) => {
    const one = await open(kind, { webhookUrl })
    const { provider, emulator } = one
    emulator.hooks.switches.on = false
    const words = midjourneyTask()('a cat', four)
    const blend = midjourneyTask({ aspect: '2:3' })('', { ...four, images: await inputs(2) })
    const { ticket = null } = await finish(provider, words)
    await finish(provider, blend)
    const continues = provider.continuations!(ticket).find(({ act }) => act === 'vary')
    const varied = midjourneyTask({ continues })('a cat', four)
    await finish(provider, varied)
    await provider.describe!((await inputs(1))[0]!, signal())
    const described = hooksIn(one).at(-1)
    expect(hooksIn(one)).toEqual([
      ['/mj/submit/imagine', webhookUrl(words.id)],
      ['/mj/submit/blend', webhookUrl(blend.id)],
      [kind === 'plain' ? '/mj/submit/change' : '/mj/submit/action', webhookUrl(varied.id)],
      ['/mj/submit/describe', described?.[1]],
    ])
    // the id of no request
    expect(described?.[1]).toMatch(/^https:\/\/us\.example\/hooks\/midjourney\/[0-9a-f-]{36}\/token$/)
  })

  it('is not named where the proxy cannot reach us', async () => {
    const one = await open('full')
    await finish(one.provider, one.task('a cat', four))
    await one.provider.describe!((await inputs(1))[0]!, signal())
    expect(hooksIn(one).map(([, hook]) => hook)).toEqual([undefined, undefined])
  })

  it.each([
    ['mj-emulated-secret-0001', ''],
    ['sk-mj-emulated-secret-0001', '/mj-fast/mj'],
  ])('is named with the key %s and the path "%s" of the address', async (key, path) => {
    const one = await open('full', { key, path, webhookUrl })
    one.emulator.hooks.switches.on = false
    const task = one.task('a cat', four)
    expect((await finish(one.provider, task)).images).toHaveLength(4)
    expect(hooksIn(one)).toEqual([[`${path || '/mj'}/submit/imagine`, webhookUrl(task.id)]])
  })

  it('makes polls rarer once a call about the task has come, until a call says that it has ended', async () => {
    const { provider, task, emulator } = await open('full', { workMs: 60_000, webhookUrl })
    emulator.hooks.switches.on = false
    const work = task('a cat')
    const started = await provider.start(work, signal())
    if (started.state !== 'pending') throw new Error('expected a task under way')
    const [{ id } = { id: '' }] = emulator.tasks
    const waitAfter = async (body?: object) => {
      const call = body && { headers: {}, body: Buffer.from(JSON.stringify(body)) }
      const webhookMessage = call && (await provider.receive!(call))
      const progress = await provider.check!(started.ticket, { ...work, webhookMessage }, signal())
      return progress.state === 'pending' ? progress.waitMs : undefined
    }
    const usualMs = started.waitMs
    expect(await waitAfter()).toBe(usualMs)
    expect(await waitAfter({ id: '17', status: 'IN_PROGRESS' })).toBe(usualMs)
    for (const status of ['NOT_START', 'SUBMITTED', 'IN_PROGRESS', '', null]) {
      expect(await waitAfter({ id, status })).toBeGreaterThan(usualMs)
    }
    for (const status of ['SUCCESS', 'FAILURE']) expect(await waitAfter({ id, status })).toBe(usualMs)
  })
})

describe('the provider midjourney', () => {
  it('cancels where the proxy can', async () => {
    const { provider, task } = await open('full', { workMs: 60_000 })
    const work = task('a cat')
    const started = await provider.start(work, signal())
    if (started.state !== 'pending') throw new Error('expected a task under way')
    await provider.cancel?.(started.ticket)
    expect(await failure(finish(provider, work, started.ticket))).toMatchObject({ kind: 'cancelled' })
  })

  it('sends a key of a relay as relays take it', async () => {
    const { provider, task, requests } = await open('full', { key: 'sk-mj-emulated-secret-0001' })
    expect((await finish(provider, task('a cat', four))).images).toHaveLength(4)
    expect(requests[0]?.headers).toMatchObject({ authorization: 'Bearer sk-mj-emulated-secret-0001' })
    expect(requests[0]?.headers['mj-api-secret']).toBeUndefined()
  })

  it('refuses a variation for which the proxy asks for new words', async () => {
    const { provider, emulator, task } = await open('full')
    const { ticket = null } = await finish(provider, task('a cat', four))
    emulator.switches.remix = true
    const continues = provider.continuations!(ticket).find(({ act }) => act === 'vary')
    const refused = await failure(provider.start(midjourneyTask({ continues })('a cat'), signal()))
    expect(refused).toMatchObject({ kind: 'provider_refused', neverRan: true })
  })

  it('takes four pictures for one request, and charges each', () => {
    const drawn = midjourney.routes.filter(({ takes }) => !takes.continues?.includes('upscale'))
    for (const { takes } of drawn) expect([takes.count, takes.picturesEach]).toEqual([1, 4])
  })
})
