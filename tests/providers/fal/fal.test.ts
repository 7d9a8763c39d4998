import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { failure, finish } from '../../contracts/provider.ts'
import { falFixture, falTask } from '../../helpers/providers/fal.ts'

const signal = () => AbortSignal.timeout(10_000)

describe('the provider fal', () => {
  const { open } = falFixture()

  it('notices the end by its event stream, without a single poll', async () => {
    const { provider, requestsTo } = await open({ workMs: 400 })
    const { seed } = await finish(provider, falTask('a cute cat'))
    expect(seed).toMatch(/^\d+$/)
    expect(requestsTo(/\/status\/stream$/)).toHaveLength(1)
    expect(requestsTo(/\/status$/)).toHaveLength(0)
  })

  it('polls a few times at a relay without streams', async () => {
    const { provider, requestsTo } = await open({ workMs: 1_200, stream: false })
    await finish(provider, falTask('a cute cat'))
    expect(requestsTo(/\/status$/).length).toBeLessThanOrEqual(12)
    const before = requestsTo(/\/status$/).length
    await finish(provider, falTask('another cat'))
    // it has learned how long such requests take
    expect(requestsTo(/\/status$/).length - before).toBeLessThanOrEqual(6)
  })

  it('reports the position in the queue', async () => {
    const { provider } = await open({ workMs: 800, concurrency: 1, stream: false })
    const [first, second] = [falTask('one'), falTask('two')]
    await provider.start(first, signal())
    const started = await provider.start(second, signal())
    if (started.state === 'done') throw new Error('expected a pending request')
    const waiting = await provider.check!(started.ticket, second, signal())
    expect(waiting).toMatchObject({ state: 'pending', position: 1 })
  })

  it('sends and returns seeds beyond 2^53 exactly', async () => {
    const { provider, requestsTo } = await open()
    const seed = '17454220438242315174'
    const { seed: same } = await finish(provider, falTask('a cute cat', { request: { seed } }))
    expect(same).toBe(seed)
    expect(requestsTo(/^\/fal-ai\/flux-1\/dev$/)[0]?.body.toString()).toContain(`"seed":${seed}`)
  })

  it('reads pictures from data: URLs', async () => {
    const { provider, requestsTo } = await open()
    const { images } = await finish(provider, falTask('datauri'))
    expect(images[0]?.subarray(0, 2).toString('hex')).toBe('ffd8')
    expect(requestsTo(/^\/files\//)).toHaveLength(0)
  })

  it('fails as moderated when every picture is flagged, and notes missing pictures when some are', async () => {
    const { provider } = await open()
    expect((await failure(finish(provider, falTask('nsfwflag')))).kind).toBe('moderated')
    const { images, notes } = await finish(provider, falTask('nsfwfirst', { count: 2 }))
    expect(images).toHaveLength(1)
    expect(notes).toMatchObject([{ kind: 'some_missing' }])
  })

  it('marks flagged pictures where they are wanted, with the checker off that blacks them out', async () => {
    const { provider, requestsTo } = await open()
    const task = falTask('nsfwfirst', { count: 2, request: { adult: true } })
    const { images, flagged } = await finish(provider, { ...task, flaggedToo: true })
    expect([images.length, flagged]).toEqual([2, [true, false]])
    expect(requestsTo(/^\/fal-ai\/flux-1\/dev$/)[0]?.body.toString()).toContain('"enable_safety_checker":false')
  })

  it('sends every request to the configured relay, not to the addresses in responses', async () => {
    const { emulator, provider } = await open({ relayPrefix: '/relay/fal', publicUrl: 'https://queue.fal.run' })
    expect((await finish(provider, falTask('a cute cat'))).images).toHaveLength(1)
    const paths = emulator.requests.map(({ path }) => path)
    expect(paths.every((path) => path.startsWith('/relay/fal/') || path.startsWith('/files/'))).toBe(true)
  })

  it('never sends the key to another origin', async () => {
    const received: string[] = []
    const stranger = createServer((req, res) => {
      received.push(JSON.stringify(req.headers))
      res.writeHead(404).end()
    })
    await new Promise<void>((started) => stranger.listen(0, '127.0.0.1', started))
    const elsewhere = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`
    const { emulator, provider } = await open({ publicUrl: elsewhere })
    await finish(provider, falTask('a cute cat'))
    emulator.faults.add({ kind: 'redirect', location: `${elsewhere}/stolen`, match: { path: /^\/files\// } })
    expect((await failure(finish(provider, falTask('a cute cat')))).kind).toBe('bad_result')
    expect(received).toEqual([])
    stranger.close()
  })

  it.each(['502json', 'dropAfter', 'truncated', 'garbage', 'empty'] as const)(
    'never retries a submission that fails with %s',
    async (kind) => {
      const { emulator, provider } = await open()
      emulator.faults.add({ kind, match: { method: 'POST' } })
      const error = await failure(provider.start(falTask('a cute cat'), signal()))
      expect(error.neverRan).toBe(false)
      expect(emulator.accepted()).toBe(1)
    },
  )
})
