/** Posts tasks to their `notifyHook` as midjourney-proxy does: at each change, unsigned, and once. On demand twice, early, forged or not at all. */
import { request } from 'undici'

export interface HookSwitches {
  /** Whether hooks are called. */
  on: boolean
  /** Number of deliveries of each call. */
  copies: number
  /** The first call is made, and answered, before the response to the submission. */
  early: boolean
  /** Bodies that are sent before that of each genuine call. Absent: none. */
  forge?: (task: HookBody) => readonly unknown[]
}

interface Watched {
  /** The task is posted when one of these changes. */
  stage(): { status: string; progress: string }
  body(): HookBody
}

interface HookBody {
  id: string
}

export interface HookDelivery {
  url: string
  body: unknown
  /** Of the response; 0 without one. */
  status: number
}

export interface Hooks {
  switches: HookSwitches
  deliveries: HookDelivery[]
  /** Calls `url` at each change from now on. Resolves when the submission may be answered. */
  watch(url: string, watched: Watched): Promise<void>
  stop(): void
}

const lookMs = 5
const ended = ['SUCCESS', 'FAILURE', 'CANCEL']

export function createHooks(): Hooks {
  const switches: HookSwitches = { on: true, copies: 1, early: false }
  const deliveries: HookDelivery[] = []
  const stopped = new AbortController()
  const timers = new Set<NodeJS.Timeout>()

  async function post(url: string, body: unknown): Promise<void> {
    const delivery: HookDelivery = { url, body, status: 0 }
    deliveries.push(delivery)
    try {
      const response = await request(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
        signal: stopped.signal,
      })
      delivery.status = response.statusCode
      await response.body.dump()
    } catch {
      // a lost call is not repeated
    }
  }

  async function call(url: string, task: HookBody): Promise<void> {
    if (!switches.on) return
    for (const body of switches.forge?.(task) ?? []) await post(url, body)
    await Promise.all(Array.from({ length: switches.copies }, () => post(url, task)))
  }

  return {
    switches,
    deliveries,
    async watch(url, { stage, body }) {
      let shown = ''
      const look = async () => {
        const { status, progress } = stage()
        if (ended.includes(status)) end()
        if (shown === `${status}:${progress}`) return
        shown = `${status}:${progress}`
        await call(url, body())
      }
      const timer = setInterval(() => void look(), lookMs)
      const end = () => {
        clearInterval(timer)
        timers.delete(timer)
      }
      timers.add(timer)
      if (switches.early) await look()
    },
    stop() {
      stopped.abort()
      for (const timer of timers) clearInterval(timer)
    },
  }
}
