/** Where a run is, for any process. */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { Json } from '../../db/json.ts'
import type { ComfyServer } from './server.ts'

const shape = z.object({ server: z.string(), promptId: z.string() })

export function ticketOf({ url }: ComfyServer, promptId: string): Json {
  return { server: url, promptId }
}

/** Throws AppError when the server is not configured any more: the key is for configured ones only. */
export function readTicket(servers: readonly ComfyServer[], ticket: Json): { server: ComfyServer; id: string } {
  const read = shape.safeParse(ticket).data
  const server = servers.find(({ url }) => url === read?.server)
  if (!read || !server) {
    throw new AppError('provider_failed', { provider: 'comfyui', reason: 'its server is not configured any more' })
  }
  return { server, id: read.promptId }
}
