/** Where a run is: the history knows what is over, the queue what is not. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { HistoryEntry } from './outcome.ts'
import type { ComfyServer } from './server.ts'

export type Place =
  | { at: 'history'; entry: HistoryEntry }
  | { at: 'running' }
  | { at: 'queue'; position: number }
  | { at: 'nowhere' }

/** What is nowhere is looked for twice: a submission may still be on its way through the server. */
export async function placeOf(
  server: ComfyServer,
  id: string,
  { lostMs, signal }: { lostMs: number; signal: AbortSignal },
): Promise<Place> {
  const place = await look(server, id, signal)
  if (place.at !== 'nowhere') return place
  await sleep(lostMs, undefined, { signal })
  return look(server, id, signal)
}

async function look(server: ComfyServer, id: string, signal: AbortSignal): Promise<Place> {
  const before = await server.history(id, signal)
  if (before) return { at: 'history', entry: before }
  const { running, pending } = await server.queue(signal)
  if (running.includes(id)) return { at: 'running' }
  const waiting = pending.indexOf(id)
  if (waiting >= 0) return { at: 'queue', position: waiting + 1 }
  // it may have ended between the two questions
  const after = await server.history(id, signal)
  return after ? { at: 'history', entry: after } : { at: 'nowhere' }
}
