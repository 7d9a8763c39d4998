import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../src/core/errors.ts'
import type { ImageFile } from '../../src/core/ports/images.ts'
import type { Progress } from '../../src/core/ports/providers.ts'
import type { Json } from '../../src/db/json.ts'
import { sketch } from '../../src/models/sketch.ts'
import { sketch as sketchProvider } from '../../src/providers/sketch/sketch.ts'

const never = new AbortController().signal
const log = { debug() {}, info() {}, warn() {}, error() {} }
const settings = { baseUrl: 'sketch:', timeoutMs: 10_000, concurrency: 5 }
const createSketch = () => sketchProvider.create(settings, { log })
const task = (input: Record<string, Json>, images: ImageFile[] = [], id = 'one') => ({
  id,
  endpoint: 'sketch',
  images,
  input: { prompt: 'a cute cat', width: 128, height: 96, count: 1, seed: '7', ...input },
})

async function draw(input: Record<string, Json> = {}, images: ImageFile[] = []): Promise<Buffer[]> {
  const progress = await createSketch().start(task(input, images), never)
  if (progress.state !== 'done') throw new Error('expected a picture')
  return progress.images
}

/** The kind of the error that the work rejects with, or 'undefined'. */
async function kindOf(work: Promise<Progress>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof AppError ? error.kind : String(error)
}

describe('the sketch provider', () => {
  it('draws the same picture for the same prompt, seed and size, and a different one for another seed', async () => {
    const [first, again, other] = [await draw(), await draw(), await draw({ seed: '8' })]
    expect(first[0]?.equals(again[0] as Buffer)).toBe(true)
    expect(first[0]?.equals(other[0] as Buffer)).toBe(false)
  })

  it.each<readonly [number, number]>([...Object.values(sketch.routes[0]!.takes.aspects), [65, 2048], [333, 77]])(
    'draws %i×%i',
    async (width, height) => {
      const [picture] = await draw({ width, height })
      expect(await sharp(picture).metadata()).toMatchObject({ format: 'png', width, height })
    },
  )

  it('draws the requested number of pictures from consecutive seeds, also beyond 2^53', async () => {
    const three = await draw({ count: 3, seed: '9007199254740993' })
    const [third] = await draw({ seed: '9007199254740995' })
    expect(three).toHaveLength(3)
    expect(three[2]?.equals(third as Buffer)).toBe(true)
  })

  it('leaves out what the negative prompt mentions', async () => {
    const [withCat] = await draw()
    const [without] = await draw({ negative: 'cat' })
    expect(withCat?.equals(without as Buffer)).toBe(false)
  })

  it('changes an input picture more with a higher strength', async () => {
    const data = await sharp({ create: { width: 50, height: 50, channels: 3, background: '#ff0000' } })
      .png()
      .toBuffer()
    const red: ImageFile = { data, type: 'image/png', width: 50, height: 50 }
    const redness = async (strength: number) =>
      (await sharp((await draw({ strength }, [red]))[0]).stats()).channels[0]?.mean ?? 0
    expect(await redness(0.05)).toBeGreaterThan((await redness(0.95)) + 30)
    expect(await draw({}, [red, red])).not.toEqual(await draw({}, [red]))
  })

  it('leaves nothing of the label of a sketch that is drawn in another ratio', async () => {
    const file = async (data: Buffer): Promise<ImageFile> => {
      const { width, height } = await sharp(data).metadata()
      return { data, type: 'image/png', width, height }
    }
    const wide = { width: 320, height: 180 }
    const [labelled] = await draw({ prompt: 'a sun', ...wide })
    const strip = 15
    const cut = sharp(labelled).extract({ left: 0, top: 0, width: wide.width, height: wide.height - strip })
    const [edited] = await draw({ width: 180, height: 320 }, [await file(labelled as Buffer)])
    expect(
      edited?.equals((await draw({ width: 180, height: 320 }, [await file(await cut.png().toBuffer())]))[0]!),
    ).toBe(true)
  })

  it('simulates a slow provider that reports progress and resumes in another process', async () => {
    const slow = task({ prompt: 'a cat [slow 60ms]' })
    const first = await createSketch().start(slow, never)
    if (first.state !== 'pending') throw new Error('expected a pending request')
    expect(first.percent).toBeLessThan(50)
    const other = createSketch()
    let progress: Progress = first
    while (progress.state === 'pending')
      progress = await (other.check?.(progress.ticket, slow, never) ?? Promise.reject())
    expect(progress).toMatchObject({ state: 'done', seed: '7' })
    // the directive is not part of the picture
    expect(progress.images[0]?.equals((await draw({ prompt: 'a cat' }))[0] as Buffer)).toBe(true)
  })

  it.each([
    ['timeout', 'provider_timeout'],
    ['busy', 'provider_busy'],
    ['failed', 'provider_failed'],
    ['refused', 'provider_refused'],
    ['moderated', 'moderated'],
    ['bad_result', 'bad_result'],
    ['nonsense', 'provider_refused'],
  ])('fails as the directive [fail %s] says', async (name, kind) => {
    expect(await kindOf(createSketch().start(task({ prompt: `a cat [fail ${name}]` }), never))).toBe(kind)
  })

  it('fails as many attempts as the directive says', async () => {
    const provider = createSketch()
    const start = () => kindOf(provider.start(task({ prompt: 'a cat [fail busy 2]' }), never))
    expect([await start(), await start(), await start()]).toEqual(['provider_busy', 'provider_busy', 'undefined'])
  })

  it('stops when the signal aborts', async () => {
    await expect(createSketch().start(task({ count: 4 }), AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop')
  })
})
