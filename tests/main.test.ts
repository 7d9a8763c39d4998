import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runTry, type Service, startService } from './chaos/service.ts'
import { startFal } from './emulators/fal/index.ts'
import { startCollector } from './emulators/otlp/index.ts'
import { treesOf } from './emulators/otlp/trees.ts'
import { startTelegram } from './emulators/telegram/index.ts'
import { backends, openTestDatabase } from './helpers/backends.ts'
import { freePort } from './helpers/ports.ts'

describe('the service as a process', () => {
  let dataDir: string
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-main-'))
  })
  afterEach(() => rm(dataDir, { recursive: true, force: true }))

  it('prints only the mistakes in its settings when it cannot start', async () => {
    const service = startService({ DATA_DIR: dataDir, PORT: 'many', COMFYUI_URL: 'ftp://x' })
    await expect(service.ready).rejects.toThrow('ended with 1')
    expect(service.log().trim().split('\n')).toEqual([
      'Fix these settings before starting fluxbot:',
      '  PORT must be a whole number from 0 to 65535',
      '  COMFYUI_URL must be an http:// or https:// address; separate several addresses by commas',
    ])
  })

  /** Opens the sign-in link that the service printed, and uses the HTTP routes of the page as a browser does. */
  async function visit(port: number, service: Service) {
    const base = `http://127.0.0.1:${port}`
    const [, token] = /\?token=(\S+)/.exec(service.output()) ?? []
    const signedIn = await fetch(`${base}/?token=${token}`, { redirect: 'manual' })
    const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
    const read = async () =>
      (await (await fetch(`${base}/web/messages`, { headers: { cookie } })).json()) as {
        id: string
        state?: string
        text: string
        images: { url: string; width: number; height: number }[]
      }[]
    let sent = ''
    return {
      send: async (text: string, picture?: Buffer) => {
        const form = new FormData()
        sent = crypto.randomUUID()
        form.set('id', sent)
        form.set('text', text)
        if (picture) form.append('images', new Blob([new Uint8Array(picture)], { type: 'image/png' }), 'cat.png')
        const answer = await fetch(`${base}/web/messages`, { method: 'POST', body: form, headers: { cookie } })
        expect(answer.status).toBe(202)
      },
      /** The answer to the last message. An earlier answer may be edited again if a slow worker loses its lease. */
      reply: async (state: string) => {
        const find = async () => (await read()).find((message) => message.id === `${sent}:answer`)
        await expect.poll(async () => (await find())?.state, { timeout: 90_000 }).toBe(state)
        return find()
      },
      picture: async (url: string) => Buffer.from(await (await fetch(new URL(url, base))).arrayBuffer()),
      as: (other: number) => visitAgain(other, cookie),
    }
    function visitAgain(other: number, same: string) {
      return async () => {
        const answer = await fetch(`http://127.0.0.1:${other}/web/messages`, { headers: { cookie: same } })
        return (await answer.json()) as { role: string; state?: string }[]
      }
    }
  }

  it('starts without settings, serves prompts, edits, credits and history on the page, and stops on SIGTERM', async () => {
    const port = await freePort()
    const service = startService({ DATA_DIR: dataDir, PORT: String(port), WELCOME_CREDITS: '2' })
    await service.ready
    expect(await (await fetch(`http://127.0.0.1:${port}/healthz`)).json()).toEqual({ status: 'ok' })
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toMatchObject({ status: 'ready', parts: { database: 'ready', queue: 'ready' } })
    expect((await stat(join(dataDir, 'secret.key'))).mode & 0o777).toBe(0o600)
    const ann = await visit(port, service)
    await ann.send('a cute cat 16:9')
    const cat = await ann.reply('done')
    expect(cat?.images[0]).toMatchObject({ width: 1024, height: 576 })
    const bytes = await ann.picture(cat?.images[0]?.url ?? '')
    expect(bytes.subarray(1, 4).toString()).toBe('PNG')
    await ann.send('make it night', bytes)
    await expect.poll(async () => (await ann.reply('done'))?.text, { timeout: 90_000 }).toContain('make it night')
    await ann.send('a dog')
    expect((await ann.reply('failed'))?.text).toContain('you have 0')
    await ann.send('/credits give @me 5')
    expect((await ann.reply('info'))?.text).toContain('now 5 credits')
    await ann.send('/history')
    await expect.poll(async () => (await ann.reply('info'))?.text, { timeout: 90_000 }).toContain('make it night')
    // 1 would mean that it did not stop in time
    expect(await service.stop()).toBe(0)
  })

  it('hands back unfinished work when it stops, and continues after the next start', async () => {
    const [port, next] = [await freePort(), await freePort()]
    const first = startService({ DATA_DIR: dataDir, PORT: String(port), API_KEY: 'a-key-for-this-test' })
    await first.ready
    const ann = await visit(port, first)
    await ann.send('a cat [slow 15s] 64x64')
    await ann.reply('waiting')
    const headers = { authorization: 'Bearer a-key-for-this-test', 'content-type': 'application/json' }
    const ask = (prompt: string) => {
      const body = JSON.stringify({ prompt, size: '64x64' })
      const answer = fetch(`http://127.0.0.1:${port}/v1/images/generations`, { method: 'POST', headers, body })
      return answer.then(({ status }) => status).catch(() => 'cut off')
    }
    const asked = [ask('a dog [slow 15s]'), ask('a bird [slow 4s]')]
    const history = async () => (await fetch(`http://127.0.0.1:${port}/api/history`, { headers })).json()
    // one that still waits in the queue would be handed back as well
    await expect.poll(history).toMatchObject({ items: [{ status: 'running' }, { status: 'running' }] })
    expect(await first.stop()).toBe(0)
    expect(await Promise.all(asked)).toEqual(['cut off', 200])
    const traces = {
      // a free port could be taken by another test
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      OTEL_EXPORTER_OTLP_TIMEOUT: '100',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    }
    const second = startService({ DATA_DIR: dataDir, PORT: String(next), ...traces })
    await second.ready
    const read = ann.as(next)
    await expect.poll(async () => (await read()).at(-1)?.state, { timeout: 90_000 }).toBe('done')
    const complaints = () => second.log().match(/does not take traces/g)?.length
    await expect.poll(() => second.log()).toContain('does not take traces')
    expect(await second.stop()).toBe(0)
    expect(complaints()).toBe(1)
  })

  it.runIf(backends().includes('postgres'))(
    'serves only health checks and metrics without the role http, only if PORT is set, and sends one trace for all processes',
    async () => {
      const { url = '', drop } = await openTestDatabase('postgres')
      const [telegram, fal, collector] = await Promise.all([startTelegram(), startFal(), startCollector()])
      const port = await freePort()
      const split = {
        DATA_DIR: dataDir,
        DATABASE_URL: url,
        SECRET_KEY: 'a secret for tests, 32 characters',
        API_KEY: 'a-key-for-this-test',
        TELEGRAM_TOKEN: telegram.token,
        TELEGRAM_API_URL: telegram.apiUrl,
        FAL_KEY: fal.key,
        FAL_QUEUE_URL: fal.url,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=key-of-the-collector',
        // only what is sent at the stop arrives during the test
        OTEL_BSP_SCHEDULE_DELAY: '600000',
      }
      const service = startService({ ...split, ROLES: 'worker', PORT: String(port) })
      // without PORT it does not listen, so the default port does not matter
      const silent = startService({ ...split, ROLES: 'bots', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' })
      await Promise.all([service.ready, silent.ready])
      const status = async (path: string, init?: RequestInit) =>
        (await fetch(`http://127.0.0.1:${port}${path}`, init)).status
      expect(await status('/healthz')).toBe(200)
      expect(await status('/readyz')).toBe(200)
      expect(await status('/metrics')).toBe(401)
      const headers = { authorization: 'Bearer a-key-for-this-test' }
      expect(await status('/metrics', { headers })).toBe(200)
      expect(await status('/v1/models')).toBe(404)
      expect(await status('/web/session')).toBe(404)
      telegram.say('a dragon of amber', { userId: 501, firstName: 'Ada', username: 'lovelace' })
      await telegram.waitFor(501, ({ photo, fromBot }) => fromBot && photo !== undefined)
      expect(await Promise.all([service.stop(), silent.stop()])).toEqual([0, 0])
      expect(treesOf(collector.spans)).toContainEqual([
        'receive bots',
        '  dispatch bots',
        '    accept bots',
        '      queue worker',
        '      attempt worker',
        '        draw worker',
        '          submit worker',
        '          poll worker',
        '            download worker',
        '        store worker',
        '        deliver worker',
      ])
      const draw = collector.spans.find(({ name }) => name === 'draw')
      const accept = collector.spans.find(({ name }) => name === 'accept')
      expect(draw?.attributes).toEqual({
        'fluxbot.request.id': accept?.attributes['fluxbot.request.id'],
        'fluxbot.surface': 'telegram',
        'fluxbot.model': 'flux-dev',
        'fluxbot.provider': 'fal',
        'fluxbot.endpoint': 'fal-ai/flux-1/dev',
        'fluxbot.attempt': 1,
      })
      expect(draw?.resource['service.name']).toBe('fluxbot')
      for (const { headers } of collector.requests) expect(headers['x-collector-key']).toBe('key-of-the-collector')
      const bodies = Buffer.concat(collector.requests.map(({ body }) => body)).toString('latin1')
      for (const secret of ['dragon', 'Ada', 'lovelace', fal.key, telegram.token, split.API_KEY])
        expect(bodies).not.toContain(secret)
      for (const { headers } of fal.requests) expect(headers.traceparent).toBeUndefined()
      await Promise.all([telegram, fal, collector].map((emulator) => emulator.stop()))
      await drop()
    },
  )

  it('`try` draws a picture and prints one line of JSON', async () => {
    const { code, out, err } = await runTry('a cute cat 16:9', dataDir)
    expect(code).toBe(0)
    expect(out.trim().split('\n')).toHaveLength(1)
    const line = JSON.parse(out) as { file: string }
    expect(line).toMatchObject({ status: 'delivered', model: 'sketch', width: 1024, height: 576, credits: 1 })
    expect((await readFile(line.file)).subarray(1, 4).toString()).toBe('PNG')
    expect(err).toContain('a cute cat')
  })
})
