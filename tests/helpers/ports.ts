/** A port for a server whose address has to be known before it listens. */
import { createServer } from 'node:net'

/** Below those that the system gives to connections on their way out, which take them at any moment. */
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
