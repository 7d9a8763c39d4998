/** Servers on loopback that no request may reach: they count connections. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'

export interface Canaries {
  port: number
  /** Whether ::1 listens too. */
  v6: boolean
  hits(): number
  stop(): Promise<void>
}

/** Listens on the same port of 127.0.0.1 and, where the machine has it, ::1. */
export async function startCanaries(): Promise<Canaries> {
  let hits = 0
  const canary = () =>
    createServer((socket) => {
      hits++
      socket.on('error', () => undefined).resume()
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\ncanary')
    })
  const listen = async (server: Server, port: number, host: string) => {
    server.listen(port, host)
    await once(server, 'listening')
    return server
  }
  const v4 = await listen(canary(), 0, '127.0.0.1')
  const { port } = v4.address() as AddressInfo
  const v6 = await listen(canary(), port, '::1').catch(() => undefined)
  return {
    port,
    v6: v6 !== undefined,
    hits: () => hits,
    stop: async () => {
      for (const server of [v4, v6]) await new Promise((done) => (server ? server.close(done) : done(undefined)))
    },
  }
}
