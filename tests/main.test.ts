import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startService } from './chaos/service.ts'

const tryCommand = fileURLToPath(new URL('../dist/cli/try.js', import.meta.url))

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}

describe('the service as a process', () => {
  let dataDir: string
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-main-'))
  })
  afterEach(() => rm(dataDir, { recursive: true, force: true }))

  it('starts with no setting but its place, answers health, keeps its secret to itself, ends on SIGTERM', async () => {
    const port = await freePort()
    const service = startService({ DATA_DIR: dataDir, PORT: String(port) })
    await service.ready
    expect(await (await fetch(`http://127.0.0.1:${port}/healthz`)).json()).toEqual({ status: 'ok' })
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toMatchObject({ status: 'ready', parts: { database: 'ready', queue: 'ready' } })
    expect((await stat(join(dataDir, 'secret.key'))).mode & 0o777).toBe(0o600)
    const start = Date.now()
    await service.stop()
    expect(Date.now() - start).toBeLessThan(20_000)
  })

  it('refuses a data folder and a port that another process has, with a sentence that says what to do', async () => {
    const port = await freePort()
    const service = startService({ DATA_DIR: dataDir, PORT: String(port) })
    await service.ready
    await expect(startService({ DATA_DIR: dataDir, PORT: '0' }).ready).rejects.toThrow(/DATA_DIR[\s\S]*DATABASE_URL/)
    const other = await mkdtemp(join(tmpdir(), 'fluxbot-main-'))
    await expect(startService({ DATA_DIR: other, PORT: String(port) }).ready).rejects.toThrow(/PORT/)
    await service.stop()
    await rm(other, { recursive: true, force: true })
  })

  it('says all that is wrong with its settings and ends', async () => {
    await expect(startService({ DATA_DIR: dataDir, PORT: 'x', LOG_LEVEL: 'y' }).ready).rejects.toThrow(
      /PORT[\s\S]*LOG_LEVEL/,
    )
  })

  const run = (words: string) =>
    new Promise<{ code: number; out: string; err: string }>((resolve) => {
      const env = { PATH: process.env.PATH, DATA_DIR: dataDir }
      execFile(process.execPath, [tryCommand, words], { env }, (error, out, err) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
      )
    })

  it('`try` draws one picture and says so in one line', async () => {
    const { code, out, err } = await run('a cute cat 16:9')
    expect(code).toBe(0)
    expect(out.trim().split('\n')).toHaveLength(1)
    const line = JSON.parse(out) as { file: string }
    expect(line).toMatchObject({ status: 'delivered', model: 'sketch', width: 1024, height: 576, credits: 1 })
    expect((await readFile(line.file)).subarray(1, 4).toString()).toBe('PNG')
    expect(err).toContain('a cute cat')
  })

  it('`try` ends with 2 and a sentence when it does not understand, with 1 when the drawing fails', async () => {
    expect(await run('a cat 5:7')).toMatchObject({ code: 2, out: '', err: expect.stringContaining('5:7') })
    const failed = await run('a cat [fail moderated]')
    expect(failed).toMatchObject({ code: 1, err: expect.stringContaining('content') })
    expect(JSON.parse(failed.out)).toMatchObject({ status: 'failed', credits: 0, file: null })
  })
})
