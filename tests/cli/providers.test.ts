import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startFal } from '../emulators/fal/index.ts'
import { backends, openTestDatabase } from '../helpers/backends.ts'

const command = fileURLToPath(new URL('../../dist/cli/providers.js', import.meta.url))

describe('npm run providers', () => {
  let dataDir: string
  /** Settings of a Postgres server, which opens faster than the embedded database. Empty: the embedded database. */
  let settings: Record<string, string> = {}
  let fal: Awaited<ReturnType<typeof startFal>>
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-providers-'))
    fal = await startFal()
  })
  afterAll(async () => {
    await fal.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  async function run(args: readonly string[], input = '') {
    const { PATH, HOME } = process.env
    const child = spawn(process.execPath, [command, ...args], { env: { PATH, HOME, DATA_DIR: dataDir, ...settings } })
    child.stdin.end(input)
    const [out, stderr, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve) => child.once('exit', resolve)),
    ])
    return { out: out.trim(), stderr, code }
  }

  it('stores a key from standard input, shows only its end, tests it free of charge, and removes it', async () => {
    const added = await run(['add', 'fal', '--name', 'main', '--url', fal.url, '--key'], `${fal.key}\n`)
    const id = added.out.replace('Stored as ', '')
    const listed = (await run(['list'])).out
    expect(listed).toContain(`${id}  fal  main  key …${fal.key.slice(-4)}  active`)
    expect(listed).not.toContain(fal.key)
    expect((await run(['test', id])).out).toBe('fal.ai works.')
    expect(fal.accepted()).toBe(0)
    await run(['change', id, '--key'], 'another-key:not-accepted')
    expect(await run(['test', id])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('does not accept this key'),
    })
    expect((await run(['remove', id])).out).toBe('Removed.')
    expect((await run(['list'])).out).toContain('No configurations are stored')
    const files = await readdir(dataDir, { recursive: true, withFileTypes: true })
    for (const file of files.filter((each) => each.isFile())) {
      expect((await readFile(join(file.parentPath, file.name))).includes(fal.key), file.name).toBe(false)
    }
  })

  it('shows the request of a model pack without a key and a database, and sends it with --send', async () => {
    const folder = join(dataDir, 'tried')
    await mkdir(folder)
    const file = join(folder, 'lora.json')
    const size = { as: 'object', name: 'image_size', aspects: { '1:1': [512, 512] } }
    const loras = { name: 'loras', max: 1, stored: { pixel: 'https://example.com/pixel.safetensors' } }
    const params = { seed: { name: 'seed' } }
    const route = { endpoint: 'fal-ai/flux-lora', size, params, loras, cost: { picture: 0.035 } }
    await writeFile(file, JSON.stringify({ provider: 'fal', id: 'lora', title: 'LoRA', routes: [route] }))
    const before = fal.accepted()
    const { out, code } = await run(['try', file, 'a heron --seed 7 --lora pixel:0.5'])
    expect(code).toBe(0)
    expect(out).toContain('POST https://queue.fal.run/fal-ai/flux-lora\nauthorization: Key …\n')
    expect(out).toContain('"prompt": "a heron"')
    expect(out).toContain('"seed": 7')
    expect(out).toMatch(/"path": "https:\/\/example.com\/pixel.safetensors",\s+"scale": 0.5/)
    expect(fal.accepted()).toBe(before)
    expect(await run(['try', file, 'a heron', '--send'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('To send it, set up fal'),
    })
    const earlier = settings
    settings = { ...earlier, FAL_KEY: fal.key, FAL_QUEUE_URL: fal.url }
    const sent = await run(['try', file, 'a heron', '--send'])
    settings = earlier
    expect(sent.out).toBe(
      `Saved ${file.replace('.json', '-1.jpg')}\nA person pays 1 credit; the service charges you about $0.035.`,
    )
    expect(fal.accepted()).toBe(before + 1)
    await writeFile(file, '{"provider": "fal", "id": "LoRA", "routes": []}')
    expect(await run(['try', file])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^id: use a–z.*\ntitle: write the name.*\nroutes: name at least one route\n$/),
    })
    expect((await run(['try', join(folder, 'none.json')])).stderr).toContain('There is no file')
  })

  describe('on Postgres where the tests have one', () => {
    let drop = async () => {}
    beforeAll(async () => {
      if (!backends().includes('postgres')) return
      const opened = await openTestDatabase('postgres')
      drop = opened.drop
      settings = { DATABASE_URL: opened.url ?? '', SECRET_KEY: 'a secret for tests, 32 characters' }
    })
    afterAll(() => drop())

    it('stores an instruction and a workflow pack, and reports the mistakes of a pack', async () => {
      const file = join(dataDir, 'given.txt')
      await writeFile(file, 'Make it shine.')
      await run(['instruction-set', file])
      expect((await run(['instruction'])).out).toBe('Make it shine.')
      expect((await run(['instruction-reset'])).out).toContain('built-in')
      await writeFile(
        file,
        JSON.stringify({ manifest: { id: 'x', title: 'X', nodes: { prompt: '6.text' } }, graph: {} }),
      )
      expect(await run(['workflow-add', file])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('graph: it has no nodes'),
      })
      const graph = {
        6: { class_type: 'CLIPTextEncode', inputs: { text: '' } },
        9: { class_type: 'SaveImage', inputs: { images: ['6', 0] } },
      }
      await writeFile(
        file,
        JSON.stringify({ manifest: { id: 'mine', title: 'Mine', nodes: { prompt: '6.text' } }, graph }),
      )
      expect((await run(['workflow-add', file])).out).toBe('Stored as model mine.')
      expect((await run(['packs'])).out).toBe('mine')
      expect((await run(['workflow-remove', 'mine'])).out).toBe('Removed.')
      expect((await run(['pack-remove', 'mine'])).out).toBe('There is no pack "mine" in the database.')
    })

    it.each([
      [['add', 'fal', '--concurrency', 'abc'], '"abc" does not fit --concurrency. Use a whole number: 1–1000.'],
      [['add', 'fal', '--timeout', '0', '--key'], '"0" does not fit --timeout. Use a whole number: 1–3600.'],
      [['add', 'fal', '--model', 'nope', '--key'], 'There is no model "nope". Models: flux-dev, '],
      [['add', 'fal'], 'fal.ai needs a key: --key < key.txt'],
      [['add', 'qwen'], 'needs a key: --key < key.txt'],
      [['add', 'cloudflare', '--key'], 'needs an address: --url https://api.cloudflare.com/client/v4/accounts/'],
      [['add', 'unknown'], 'There is no provider "unknown". Providers: fal, cloudflare, comfyui, ark, doubao,'],
      [['test', 'unknown'], 'There is no provider "unknown".'],
      [['test', 'doubao'], 'is not set up: add a configuration'],
      [['workflow-add', 'no-such-file.json'], 'There is no file no-such-file.json.'],
    ])('refuses %j in a sentence, and stores nothing', async (args, sentence) => {
      expect(await run(args, 'a-key:for-tests')).toMatchObject({ code: 1, stderr: expect.stringContaining(sentence) })
      expect((await run(['list'])).out).toContain('No configurations are stored')
    })

    it('names a host that does not exist', async () => {
      const added = await run(['add', 'doubao', '--url', 'http://no-such-host.invalid', '--key'], 'a-key:for-tests')
      const id = added.out.replace('Stored as ', '')
      expect(await run(['test', id])).toMatchObject({
        code: 1,
        stderr: 'no-such-host.invalid was not found. Check the network and the address.\n',
      })
      await run(['remove', id])
    })

    it('prints its usage, and refuses unknown ids', async () => {
      expect(await run([])).toMatchObject({ code: 2, stderr: expect.stringContaining('npm run providers') })
      expect(await run(['remove', 'unknown'])).toMatchObject({
        code: 1,
        stderr: expect.not.stringContaining('unknown_config {'),
      })
    })
  })
})
