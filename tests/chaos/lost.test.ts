/** Kills the worker after the image service has accepted a request and before the worker gets the response. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startComfyui } from '../emulators/comfyui/index.ts'
import { startFal } from '../emulators/fal/index.ts'
import type { Faults } from '../emulators/faults.ts'
import { startMidjourney } from '../emulators/midjourney/index.ts'
import { startTelegram } from '../emulators/telegram/index.ts'
import { freePort } from '../helpers/ports.ts'
import { startService } from './service.ts'

interface Upstream {
  settings: Record<string, string>
  faults: Faults
  accepted(): number
  /** Called once the service has started again. */
  restarted?(): void
  stop(): Promise<void>
}

const cases: [string, string, (port: number) => Promise<Upstream>, RegExp][] = [
  [
    'delivers the picture of fal, whose webhook names the request',
    'flux-dev',
    async (port) => {
      const fal = await startFal({ workMs: 300 })
      const settings = { FAL_KEY: fal.key, FAL_QUEUE_URL: fal.url, PUBLIC_URL: `http://127.0.0.1:${port}` }
      return { settings, faults: fal.faults, accepted: () => fal.accepted(), stop: fal.stop }
    },
    /a cute cat\nFLUX/,
  ],
  [
    'refunds a request to fal whose webhook cannot be reached',
    'flux-dev',
    async () => {
      const fal = await startFal({ workMs: 300 })
      const settings = { FAL_KEY: fal.key, FAL_QUEUE_URL: fal.url }
      return { settings, faults: fal.faults, accepted: () => fal.accepted(), stop: fal.stop }
    },
    /did not confirm.*2 credits given back/s,
  ],
  [
    'delivers the pictures of Midjourney, whose hook names the task',
    'midjourney',
    async (port) => {
      // it has no list of tasks, and draws until the service has started again
      const proxy = await startMidjourney({ kind: 'plain', workMs: 300 })
      proxy.switches.held = true
      const settings = {
        MIDJOURNEY_URL: proxy.baseUrl,
        MIDJOURNEY_SECRET: proxy.key,
        PUBLIC_URL: `http://127.0.0.1:${port}`,
      }
      const restarted = () => {
        proxy.switches.held = false
      }
      return { settings, faults: proxy.faults, accepted: proxy.accepted, restarted, stop: proxy.stop }
    },
    /a cute cat\n.*Midjourney/,
  ],
  [
    'delivers the picture of ComfyUI, which finds the request by its id',
    'comfy-dev',
    async () => {
      const comfyui = await startComfyui({ workMs: 300 })
      return {
        settings: { COMFYUI_URL: comfyui.url },
        faults: comfyui.faults,
        accepted: comfyui.accepted,
        stop: comfyui.stop,
      }
    },
    /a cute cat\n.*ComfyUI/,
  ],
]

it.concurrent.each(cases)(
  'submits a request once when the worker is killed before the response, and %s',
  async (_name, model, open, answer) => {
    const port = await freePort()
    const upstream = await open(port)
    const telegram = await startTelegram()
    const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-lost-'))
    const settings = {
      ...upstream.settings,
      DATA_DIR: dataDir,
      PORT: String(port),
      LOG_LEVEL: 'warn',
      TELEGRAM_TOKEN: telegram.token,
      TELEGRAM_API_URL: telegram.apiUrl,
    }
    let service = startService(settings)
    try {
      await service.ready
      // the submission is processed but never answered
      upstream.faults.add({
        kind: 'delayAfter',
        match: { method: 'POST', path: /^\/(prompt|fal-ai\/|mj\/submit\/)/ },
        times: 1,
      })
      const sent = telegram.say(`a cute cat --model ${model}`)
      await expect.poll(upstream.accepted, { timeout: 90_000 }).toBe(1)
      await service.kill()
      service = startService(settings)
      await service.ready
      upstream.restarted?.()
      const shown = await telegram.waitFor(
        sent.chatId,
        (message) => message.fromBot && message.text !== '' && !/^[⏳🎨]/u.test(message.text),
        90_000,
      )
      expect(shown.text).toMatch(answer)
      expect(upstream.accepted()).toBe(1)
    } finally {
      await service.stop()
      await Promise.all([telegram.stop(), upstream.stop()])
      await rm(dataDir, { recursive: true, force: true })
    }
  },
)
