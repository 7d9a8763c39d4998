import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Trying, tryPack } from '../../src/cli/try-pack.ts'
import type { AppError } from '../../src/core/errors.ts'
import { type OpenAiImages, startOpenAiImages } from '../emulators/openai-images/index.ts'
import { picture } from '../emulators/pictures.ts'

const size = { as: 'text', name: 'size', aspects: { '1:1': [1024, 1024], '3:2': [1536, 1024] } }
const words = {
  call: 'generations',
  model: 'gpt-image-2',
  size,
  count: { name: 'n', max: 4 },
  cost: { standard: 0.04 },
}
const edit = { ...words, call: 'edits', images: { name: 'image[]', as: 'files', min: 1, max: 2 }, size: undefined }
const chat = {
  call: 'chat',
  model: 'chat-markdown',
  images: { min: 0, max: 1 },
  size: { as: 'none', aspects: { '1:1': [1024, 1024] } },
}

describe('trying a model pack', () => {
  let folder: string
  let emulator: OpenAiImages
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'try-pack-'))
    emulator = await startOpenAiImages()
  })
  afterAll(async () => {
    await emulator.stop()
    await rm(folder, { recursive: true })
  })

  async function attempt(routes: readonly object[], given: Partial<Trying> = {}): Promise<string> {
    const file = join(folder, 'mine.json')
    await writeFile(file, JSON.stringify({ provider: 'openai', id: 'mine', title: 'Mine', price: 3, routes }))
    const settings = { baseUrl: emulator.url, key: emulator.key, timeoutMs: 20_000, concurrency: 1 }
    return tryPack({
      ...{ file, words: '', images: [], send: false },
      settingsOf: async () => settings,
      addressOf: () => emulator.url,
      ...given,
    })
  }
  const photo = async () => {
    const path = join(folder, 'photo.png')
    await writeFile(path, await picture(64, 48, 'png'))
    return path
  }

  it('shows the request of each route, with its price, and sends nothing', async () => {
    const shown = await attempt([words, edit])
    expect(shown).toContain(`routes[0]: openai, generations/gpt-image-2\nPOST ${emulator.url}/v1/images/generations\n`)
    expect(shown).toContain('authorization: Bearer …\n')
    expect(shown).toContain('"prompt": "a cute cat"')
    expect(shown).toContain('A person pays 3 credits; the service charges you about $0.04.')
    expect(shown).toContain('routes[1]: openai, edits/gpt-image-2\n')
    expect(shown).toMatch(/image\[\] = <image-1\.\w+, image\/\w+, \d+ bytes>/)
    expect(shown).toContain('Nothing was sent.')
    expect(emulator.requests).toEqual([])
  })

  it('reads options in the words, and says which route does not take them', async () => {
    const shown = await attempt([words, edit], { words: 'a heron 3:2 --n 2' })
    expect(shown).toContain('"size": "1536x1024"')
    expect(shown).toContain('"n": 2')
    expect(shown).toContain('routes[1]: mine does not take --ar')
    await expect(attempt([edit], { words: 'a heron 16:9', images: [await photo()] })).rejects.toThrow(
      'mine does not take --ar',
    )
    await expect(attempt([words], { words: 'a heron --steps 9' })).rejects.toThrow('--steps')
    await expect(attempt([words], { images: [await photo()] })).rejects.toThrow(
      'routes[0] takes 0 pictures: 1 was named.',
    )
  })

  it('shortens pictures in JSON', async () => {
    const shown = await attempt([chat], { images: [await photo()] })
    expect(shown).toMatch(/"url": "data:image\/\w+;base64,… \(\d+ characters\)"/)
    expect(shown.length).toBeLessThan(1_500)
  })

  it('sends the first route that fits once, and saves its pictures beside the pack', async () => {
    const before = emulator.accepted()
    const sent = await attempt([words, edit], { words: 'make it night --n 2', images: [await photo()], send: true })
    expect(sent.split('\n')).toEqual([
      `Saved ${join(folder, 'mine-1.png')}: 1024 × 1024`,
      `Saved ${join(folder, 'mine-2.png')}: 1024 × 1024`,
      'A person pays 6 credits; the service charges you about $0.08.',
    ])
    expect(await sharp(await readFile(join(folder, 'mine-2.png'))).metadata()).toMatchObject({ width: 1024 })
    expect(emulator.accepted()).toBe(before + 1)
  })

  it('counts the cost by the size of the pictures that came', async () => {
    const byPixels = { ...edit, cost: { small: 0.01, standard: 0.04, huge: 0.16 } }
    const image = await photo()
    const shown = await attempt([byPixels], { words: 'make it night', images: [image] })
    expect(shown).toContain('the service charges you about $0.04, if the result has one megapixel.')
    const byPicture = { ...edit, cost: { picture: 0.04 } }
    expect(await attempt([byPicture], { words: 'make it night' })).toContain('about $0.04.\n')
    // the service draws 1024 × 1024 all the same
    const small = { ...words, size: { as: 'none', aspects: { '1:1': [512, 512] } }, cost: byPixels.cost }
    expect(await attempt([small])).toContain('the service charges you about $0.01.')
    expect(await attempt([small], { send: true })).toContain('the service charges you about $0.04.')
  })

  it('writes words only for routes that need some', async () => {
    const silent = { ...words, prompt: 'optional' }
    const shown = await attempt([silent])
    expect(shown).toContain('"model": "gpt-image-2"')
    expect(shown).not.toContain('prompt')
  })

  it('refuses a pack with the name of a built-in model', async () => {
    const named = (given: object) => ({ provider: 'openai', id: 'mine', title: 'Mine', routes: [words], ...given })
    const file = join(folder, 'named.json')
    for (const [pack, name] of [
      [named({ id: 'sketch' }), 'sketch'],
      [named({ aliases: ['our-own', 'flux-2-pro'] }), 'flux-2-pro'],
    ] as const) {
      await writeFile(file, JSON.stringify(pack))
      const refused: unknown = await attempt([], { file }).catch((error: unknown) => error)
      expect(refused).toMatchObject({
        mistakes: [`the name "${name}" is taken by another model; choose another`],
      })
    }
  })

  it('passes on what the service says', async () => {
    const wrong = attempt([{ ...words, body: { steps: 4 } }], { send: true })
    await expect(wrong).rejects.toThrowError(expect.objectContaining({ kind: 'provider_refused' }))
    expect(await wrong.catch((error: AppError) => error.data.reason)).toBe("Unknown parameter: 'steps'.")
    await expect(attempt([words], { send: true, settingsOf: async () => undefined })).rejects.toThrow(
      'To send it, set up openai',
    )
  })
})
