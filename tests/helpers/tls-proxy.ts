/** Puts encryption in front of the Postgres of TEST_DATABASE_URL, with certificates that openssl makes. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { promisify } from 'node:util'

export interface Certificates {
  /** Files: of the authority, and of another one that has signed nothing. */
  authority: string
  otherAuthority: string
  /** Files of a client. */
  client: { certificate: string; key: string }
  server: { cert: Buffer; key: Buffer; ca: Buffer }
  remove(): Promise<void>
}

/** The server's certificate is for 127.0.0.1 and db.test, not for localhost. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxbot-tls-'))
  const file = (name: string) => join(folder, name)
  const openssl = (...words: string[]) => promisify(execFile)('openssl', words)
  const key = (name: string) => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    file(name),
  ]
  const authority = (name: string) =>
    openssl('req', '-x509', ...key(`${name}.key`), '-out', file(`${name}.pem`), '-days', '2', '-subj', `/CN=${name}`)
  await writeFile(file('names'), 'subjectAltName=IP:127.0.0.1,DNS:db.test\n')
  await Promise.all([authority('ours'), authority('other')])
  for (const name of ['server', 'client']) {
    await openssl('req', ...key(`${name}.key`), '-out', file(`${name}.csr`), '-subj', `/CN=${name}`)
    const signing = ['-CA', file('ours.pem'), '-CAkey', file('ours.key'), '-CAcreateserial', '-extfile', file('names')]
    await openssl('x509', '-req', '-in', file(`${name}.csr`), '-out', file(`${name}.pem`), '-days', '2', ...signing)
  }
  const [cert, serverKey, ca] = await Promise.all(
    ['server.pem', 'server.key', 'ours.pem'].map((n) => readFile(file(n))),
  )
  return {
    authority: file('ours.pem'),
    otherAuthority: file('other.pem'),
    client: { certificate: file('client.pem'), key: file('client.key') },
    server: { cert: cert as Buffer, key: serverKey as Buffer, ca: ca as Buffer },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

export interface TlsProxy {
  /** The same database, through the proxy. */
  through(url: string): string
  /** How the connections since the last call came: 'tls', 'tls with certificate' or 'plain'. */
  seen(): Set<string>
  close(): Promise<void>
}

/** `offers`: whether it takes encrypted connections; `refusesPlain`: as a rule `hostssl` in pg_hba.conf does. */
export async function startTlsProxy({ server: files }: Certificates, options: ProxyOptions): Promise<TlsProxy> {
  const behind = new URL(process.env.TEST_DATABASE_URL as string)
  const sockets = new Set<Socket>()
  let seen = new Set<string>()
  const server = createServer((socket) => {
    keep(socket)
    socket.once('data', (first) => {
      const asksForTls = first.length === 8 && first.readInt32BE(4) === 80_877_103
      if (!asksForTls) return plain(socket, first)
      if (!options.offers) {
        socket.write('N')
        socket.once('data', (next) => plain(socket, next))
        return
      }
      socket.pause()
      socket.write('S')
      const secured = new TLSSocket(socket, { isServer: true, ...files, requestCert: true, rejectUnauthorized: false })
      keep(secured)
      secured.once('secure', () => {
        seen.add(secured.getPeerCertificate().subject ? 'tls with certificate' : 'tls')
        pass(secured)
      })
    })
  })

  function plain(socket: Socket, first: Buffer): void {
    seen.add('plain')
    if (options.refusesPlain) {
      const fields = 'SFATAL\0C28000\0Mno pg_hba.conf entry, no encryption\0\0'
      const length = Buffer.alloc(4)
      length.writeInt32BE(4 + fields.length)
      socket.end(Buffer.concat([Buffer.from('E'), length, Buffer.from(fields)]))
      return
    }
    pass(socket, first)
  }

  function pass(socket: Socket, first?: Buffer): void {
    const postgres = connect(Number(behind.port || 5432), behind.hostname)
    keep(postgres)
    if (first) postgres.write(first)
    socket.pipe(postgres).pipe(socket)
  }

  function keep(socket: Socket): void {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    through(url) {
      const proxied = new URL(url)
      Object.assign(proxied, { hostname: '127.0.0.1', port: String(port) })
      return proxied.href
    },
    seen() {
      const before = seen
      seen = new Set()
      return before
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

interface ProxyOptions {
  offers: boolean
  refusesPlain?: boolean
}
