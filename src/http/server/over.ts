/** When nobody waits for an answer any more: it is out, or its client has gone. */
import type { FastifyReply } from 'fastify'

/** Called once. An answer that stands behind another one of its connection is not closed with it, so both are watched. */
export function whenOver({ raw, request }: Pick<FastifyReply, 'raw' | 'request'>, over: () => void): void {
  const { socket } = request.raw
  const end = () => {
    raw.off('close', end)
    socket.off('close', end)
    over()
  }
  if (raw.closed || socket.destroyed) {
    over()
    return
  }
  raw.once('close', end)
  socket.once('close', end)
}
