/** Finds a run on its server, and stops it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { Json } from '../../db/json.ts'
import type { HistoryEntry } from './history.ts'
import type { ComfyServer } from './server.ts'

const ticketShape = z.object({ server: z.string(), promptId: z.string() })

export function ticketFor({ url }: ComfyServer, promptId: string): Json {
  return { server: url, promptId }
}

/** Throws an AppError if the server is no longer configured, because the key must not be sent to any other server. */
export function readTicket(servers: readonly ComfyServer[], ticket: Json): { server: ComfyServer; id: string } {
  const saved = ticketShape.safeParse(ticket).data
  const server = servers.find(({ url }) => url === saved?.server)
  if (!saved || !server) {
    throw new AppError('provider_failed', { provider: 'comfyui', reason: 'its server is no longer configured' })
  }
  return { server, id: saved.promptId }
}

export type RunLocation =
  | { at: 'history'; entry: HistoryEntry }
  | { at: 'running' }
  /** `position`: from 1. */
  | { at: 'queue'; position: number }
  | { at: 'nowhere' }

/** Looks again after `recheckMs` for a run that is nowhere: the server may not have queued its submission yet. */
export async function locateRun(
  server: ComfyServer,
  id: string,
  { recheckMs, signal }: { recheckMs: number; signal: AbortSignal },
): Promise<RunLocation> {
  const location = await readLocation(server, id, signal)
  if (location.at !== 'nowhere') return location
  await sleep(recheckMs, undefined, { signal })
  return readLocation(server, id, signal)
}

async function readLocation(server: ComfyServer, id: string, signal: AbortSignal): Promise<RunLocation> {
  const before = await server.history(id, signal)
  if (before) return { at: 'history', entry: before }
  const { running, pending } = await server.queue(signal)
  if (running.includes(id)) return { at: 'running' }
  const index = pending.indexOf(id)
  if (index >= 0) return { at: 'queue', position: index + 1 }
  // it may have ended between the two reads
  const after = await server.history(id, signal)
  return after ? { at: 'history', entry: after } : { at: 'nowhere' }
}

/** Stops this run and no other. Resolves also when it has ended. */
export async function stopRun(server: ComfyServer, id: string, signal: AbortSignal): Promise<void> {
  if ((await server.queue(signal)).pending.includes(id)) await server.remove(id, signal)
  // it may have started in the meantime
  const { running } = await server.queue(signal)
  // servers from before 2025 interrupt whichever run is active, so interrupt only if that is this one
  if (running.length > 0 && running.every((each) => each === id)) await server.interrupt(id, signal)
}
