/** Finds a port for a server whose address must be known before it listens. */
import { createServer } from 'node:net'

/** Below the range of ephemeral ports, which outgoing connections can take at any moment. */
const [first, last] = [20_000, 29_999]

export async function freePort(): Promise<number> {
  for (;;) {
    const port = first + Math.floor(Math.random() * (last - first + 1))
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
