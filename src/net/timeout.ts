/** A timeout that also holds if the work ignores its signal. */
import { NetError } from './errors.ts'

export interface TimeoutOptions {
  /** The server that the work waits for, for the error. */
  origin: string
  timeoutMs: number
  signal?: AbortSignal
}

/** Rejects with NetError timeout or with the signal's reason. The work gets a signal that aborts at the same moment. */
export async function withTimeout<T>(
  { origin, timeoutMs, signal }: TimeoutOptions,
  work: (stop: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted()
  const stop = new AbortController()
  const cancel = () => stop.abort(signal?.reason)
  const timer = setTimeout(() => stop.abort(new NetError('timeout', { origin })), timeoutMs)
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    // undici ignores the signal until it is connected; listening first makes the reason win over the error it causes
    return await Promise.race([aborted(stop.signal), work(stop.signal)])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', cancel)
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}
