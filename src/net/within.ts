/** Work that ends in time, or when its caller has enough of it. */
import { NetError } from './errors.ts'

export interface Within {
  /** Who is waited for, for the error. */
  origin: string
  timeoutMs: number
  signal?: AbortSignal
}

/** Rejects with NetError timeout, or the signal's reason; the work gets a signal that aborts at the same moment. */
export async function within<T>(
  { origin, timeoutMs, signal }: Within,
  work: (stop: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted()
  const stop = new AbortController()
  const cancel = () => stop.abort(signal?.reason)
  const timer = setTimeout(() => stop.abort(new NetError('timeout', { origin })), timeoutMs)
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    // undici hears the signal only once it is connected; listening first, the reason wins over what it leads to
    return await Promise.race([aborted(stop.signal), work(stop.signal)])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', cancel)
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}
