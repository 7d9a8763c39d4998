/** Calls to an object store over the network, with a time limit for all attempts of a call together. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../core/errors.ts'

/** Larger objects are not read. */
export const limitBytes = 64 * 1024 * 1024
/** Pauses between attempts. */
const pausesMs = [100, 300, 1000]
const imageTypes: readonly (string | undefined)[] = ['image/png', 'image/jpeg', 'image/webp']

/** For browsers, which may keep a picture while its link is valid. */
export const cacheControl = 'private, max-age=86400, immutable'

/** The type under which a stored object is delivered: never HTML or a script. */
export function safeType(type: string | undefined): string {
  return type !== undefined && imageTypes.includes(type) ? type : 'application/octet-stream'
}

/** Has the parts of a library's error that contain no address, header or key. */
export class StoreError extends Error {
  readonly code: string
  readonly statusCode: number | undefined
  readonly requestId: string | undefined
  /** Worth another attempt. */
  readonly temporary: boolean
  /** Milliseconds between this machine's clock and that of the store. */
  readonly skewMs: number
  /** Where the bucket is, if the store says so. */
  readonly region: string | undefined

  constructor(store: string, code: string, about: Partial<Omit<StoreError, keyof Error | 'code'>> = {}) {
    const { statusCode, requestId } = about
    super(`${store}: ${[code, statusCode, requestId].filter((part) => part !== undefined).join(' ')}`)
    this.name = `${store}Error`
    this.code = code
    this.statusCode = statusCode
    this.requestId = requestId
    this.temporary = about.temporary ?? false
    this.skewMs = about.skewMs ?? 0
    this.region = about.region
  }
}

/** A word that a store or a library sends may go into the log only if it is one. */
export function safeWord(text: unknown): string | undefined {
  return typeof text === 'string' && /^[\w.+/=-]{1,100}$/.test(text) ? text : undefined
}

/** From a Date header. 0: there is none. */
export function skewOf(date: string | undefined): number {
  return date ? Math.abs(Date.parse(date) - Date.now()) : 0
}

export interface CallOptions {
  /** Of the store, for errors and the log. */
  name: string
  timeoutMs: number
  log: { warn(data: object, message: string): void }
  toError(error: unknown): StoreError
}

export interface Calls {
  /** Rejects with an AppError whose cause is a StoreError. */
  call<T>(attempt: (signal: AbortSignal) => Promise<T>): Promise<T>
  /** Aborts the calls in progress and refuses all others. */
  close(): void
}

export function createCalls({ name, timeoutMs, log, toError }: CallOptions): Calls {
  const running = new Set<AbortController>()
  let closed = false

  return {
    async call(attempt) {
      const controller = new AbortController()
      const { signal } = controller
      const timer = setTimeout(() => controller.abort(), timeoutMs)
      running.add(controller)
      try {
        for (let tries = 0; ; tries++) {
          if (closed) throw new StoreError(name, 'Closed')
          try {
            return await attempt(signal)
          } catch (error) {
            const failure = signal.aborted ? new StoreError(name, closed ? 'Closed' : 'Timeout') : toError(error)
            const pause = pausesMs[tries]
            if (!failure.temporary || pause === undefined) throw failure
            const { code, statusCode, requestId } = failure
            log.warn({ code, statusCode, requestId, attempt: tries }, `a request to ${name} failed; retrying`)
            await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined)
          }
        }
      } catch (error) {
        throw new AppError('internal', {}, { cause: error })
      } finally {
        clearTimeout(timer)
        running.delete(controller)
      }
    },
    close() {
      closed = true
      for (const controller of running) controller.abort()
    },
  }
}
