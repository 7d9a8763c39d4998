/** The end of a reply: it was sent in full, or the client disconnected before that. */
import type { FastifyReply } from 'fastify'

/**
 * Calls `onClose` once. A reply that waits behind another one on the same connection does not close when that connection
 * breaks, so the connection is watched as well.
 */
export function whenClosed({ raw, request }: Pick<FastifyReply, 'raw' | 'request'>, onClose: () => void): void {
  const { socket } = request.raw
  const close = () => {
    raw.off('close', close)
    socket.off('close', close)
    onClose()
  }
  if (raw.closed || socket.destroyed) {
    onClose()
    return
  }
  raw.once('close', close)
  socket.once('close', close)
}

/** Aborts when the reply was sent or the client disconnected, so that waiting for a picture ends with it. */
export function closedSignal(reply: FastifyReply): AbortSignal {
  const closed = new AbortController()
  whenClosed(reply, () => closed.abort())
  return closed.signal
}

export const clientDisconnected = ({ raw }: FastifyReply) => raw.closed && !raw.writableFinished
