import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDownloader, type Downloader, type DownloadOptions } from '../../src/net/download.ts'
import { NetError } from '../../src/net/errors.ts'
import type { Lookup } from '../../src/net/guard.ts'
import { type Canaries, startCanaries } from './canaries.ts'

const MB = 1024 * 1024

const toLoopback: Lookup = async () => [{ address: '127.0.0.1', family: 4 }]

/** A server on loopback that responds as the test defines. */
async function serve(listener: RequestListener) {
  const requests: IncomingMessage[] = []
  const sockets: Socket[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    listener(request, response)
  })
  server.on('connection', (socket: Socket) => sockets.push(socket.on('error', () => undefined)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    requests,
    sockets,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

async function errorOf(promise: Promise<unknown>): Promise<NetError> {
  const error = await promise.then(
    () => expect.fail('it should have failed'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof NetError)) throw error
  return error
}

describe('a download', () => {
  let listener: (request: IncomingMessage, response: ServerResponse) => void
  let server: Awaited<ReturnType<typeof serve>>
  let canaries: Canaries
  let downloader: Downloader
  beforeEach(async () => {
    canaries = await startCanaries()
    server = await serve((request, response) => listener(request, response))
    downloader = createDownloader({ trusted: [`${server.origin}/emulator`], lookup: toLoopback })
  })
  afterEach(async () => {
    await downloader.close()
    await server.stop()
    await canaries.stop()
  })

  const get = (path = '/', options: Partial<DownloadOptions> = {}) =>
    downloader.get(server.origin + path, { maxBytes: MB, ...options })
  const closed = async () => {
    for (const socket of server.sockets) if (!socket.destroyed) await new Promise((done) => socket.once('close', done))
  }

  it('returns the bytes, the type and the address', async () => {
    listener = (_, response) => response.setHeader('content-type', 'Image/PNG; a=b').end('bytes')
    expect(await get('/a.png?x=1')).toEqual({
      body: Buffer.from('bytes'),
      type: 'image/png',
      url: `${server.origin}/a.png?x=1`,
    })
  })

  it('sends only the necessary headers', async () => {
    listener = (_, response) => response.end()
    await get('/', { accept: 'image/*' })
    expect(server.requests[0]?.headers).toEqual({
      host: `127.0.0.1:${server.port}`,
      connection: 'keep-alive',
      accept: 'image/*',
      'accept-encoding': 'identity',
      'user-agent': 'fluxbot',
    })
  })

  it('accepts an empty response without a type', async () => {
    listener = (_, response) => response.end()
    expect(await get()).toMatchObject({ body: Buffer.alloc(0), type: '' })
  })

  it.each([
    ['announced by a length', true],
    ['sent in chunks', false],
  ])('accepts a file of exactly the largest size and refuses one more byte, %s', async (_, announced) => {
    listener = (_, response) => {
      if (announced) response.setHeader('content-length', 100_000)
      response.write(Buffer.alloc(60_000, 1))
      response.end(Buffer.alloc(40_000, 2))
    }
    const { body } = await get('/', { maxBytes: 100_000 })
    expect(body.equals(Buffer.concat([Buffer.alloc(60_000, 1), Buffer.alloc(40_000, 2)]))).toBe(true)
    expect(await errorOf(get('/', { maxBytes: 99_999 }))).toMatchObject({ kind: 'too_big' })
  })

  it('does not keep a large buffer for a small file', async () => {
    listener = (_, response) => response.write('few') && response.end()
    const { body } = await get('/', { maxBytes: 32 * MB })
    expect(body.toString()).toBe('few')
    expect(body.buffer.byteLength).toBeLessThan(MB)
  })

  it.each([201, 204, 206, 300, 304, 400, 401, 403, 404, 410, 429, 500, 503])('reports status %i', async (status) => {
    listener = (_, response) => response.writeHead(status).end()
    expect(await errorOf(get())).toMatchObject({ kind: 'status', status, neverSent: false })
  })

  describe('from a hostile server', () => {
    it('refuses a gzip bomb before reading it', async () => {
      const bomb = gzipSync(Buffer.alloc(10 * MB))
      listener = (_, response) => response.setHeader('content-encoding', 'gzip').end(bomb)
      expect(await errorOf(get())).toMatchObject({ kind: 'broken' })
    })

    it('refuses an announced gigabyte before reading it', async () => {
      listener = (_, response) => {
        response.writeHead(200, { 'content-length': 1024 * MB })
        response.write('a')
      }
      expect(await errorOf(get())).toMatchObject({ kind: 'too_big' })
      await closed()
    })

    it('cuts off an endless response', async () => {
      let written = 0
      listener = (_, response) => {
        const chunk = Buffer.alloc(64 * 1024)
        const more = () => {
          while (!response.destroyed && response.write(chunk));
          written = response.socket?.bytesWritten ?? written
        }
        response.on('drain', more).on('error', () => undefined)
        more()
      }
      const before = process.memoryUsage().arrayBuffers
      expect(await errorOf(get('/', { maxBytes: 2 * MB }))).toMatchObject({ kind: 'too_big' })
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(12 * MB)
      await closed()
      // includes what the kernel buffers at both ends
      expect(written).toBeLessThan(16 * MB)
    })

    it('times out while bytes arrive one at a time', async () => {
      listener = (_, response) => {
        const drip = setInterval(() => response.write('a'), 10)
        response.on('close', () => clearInterval(drip)).on('error', () => undefined)
      }
      const start = performance.now()
      expect(await errorOf(get('/', { timeoutMs: 200 }))).toMatchObject({ kind: 'timeout' })
      expect(performance.now() - start).toBeLessThan(5000)
      await closed()
    })

    it('times out without a response', async () => {
      listener = () => undefined
      expect(await errorOf(get('/', { timeoutMs: 100 }))).toMatchObject({ kind: 'timeout' })
      await closed()
    })

    it('has one timeout for all redirects', async () => {
      listener = ({ url }, response) => {
        if (url === '/') response.writeHead(302, { location: '/next' }).end()
      }
      expect(await errorOf(get('/', { timeoutMs: 100 }))).toMatchObject({ kind: 'timeout' })
      expect(server.requests.map(({ url }) => url)).toEqual(['/', '/next'])
    })

    it.each([
      ['fewer bytes than announced', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'],
      [
        'fewer bytes than announced, then the end of the connection',
        'HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nhalf',
      ],
      ['chunks without a last one', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
      [
        'chunks without a last one, then the end of the connection',
        'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n4\r\nhalf\r\n',
      ],
      ['half a head', 'HTTP/1.1 200 OK\r\ncontent-le'],
      ['an empty response', ''],
      ['a protocol other than HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
      ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
      ['a length too large for a number', `HTTP/1.1 200 OK\r\ncontent-length: ${'9'.repeat(40)}\r\n\r\nab`],
      ['a negative length', 'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nab'],
      ['an endless head', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`],
    ])('rejects as broken: %s', async (_, bytes) => {
      listener = (_, response) => response.socket?.end(bytes)
      expect(await errorOf(get())).toMatchObject({ kind: 'broken', neverSent: false })
    })
  })

  describe('with redirects', () => {
    it.each([301, 302, 303, 307, 308])('follows status %i', async (status) => {
      listener = ({ url }, response) =>
        url === '/a' ? response.writeHead(status, { location: 'b?c=d' }).end() : response.end('there')
      expect(await get('/a')).toMatchObject({ body: Buffer.from('there'), url: `${server.origin}/b?c=d` })
    })

    it('follows three redirects, but not four and no loop', async () => {
      listener = ({ url = '' }, response) => {
        const left = Number(url.slice(1))
        if (left > 0) response.writeHead(302, { location: `/${left - 1}` })
        response.end()
      }
      expect(await get('/3')).toMatchObject({ url: `${server.origin}/0` })
      server.requests.length = 0
      expect(await errorOf(get('/4'))).toMatchObject({ kind: 'broken' })
      expect(server.requests.map(({ url }) => url)).toEqual(['/4', '/3', '/2', '/1'])

      listener = (_, response) => response.writeHead(308, { location: '/' }).end()
      expect(await errorOf(get())).toMatchObject({ kind: 'broken' })
    })

    it('rejects a redirect without an address as broken', async () => {
      listener = (_, response) => response.writeHead(302).end()
      expect(await errorOf(get())).toMatchObject({ kind: 'broken' })
    })

    it('sends neither cookies nor Referer to another trusted origin', async () => {
      const other = await serve((_, response) => response.setHeader('set-cookie', 'a=b').end('there'))
      await downloader.close()
      downloader = createDownloader({ trusted: [server.origin, other.origin], lookup: toLoopback })
      listener = (_, response) => response.writeHead(302, { location: other.origin, 'set-cookie': 'a=b' }).end()
      await get('/?secret')
      const { headers } = other.requests[0]!
      expect(Object.keys(headers).sort()).toEqual(['accept', 'accept-encoding', 'connection', 'host', 'user-agent'])
      await other.stop()
    })

    it.each([301, 302, 303, 307, 308])('refuses status %i to a private address', async (status) => {
      const { port } = canaries
      const places = [
        ...[`http://127.0.0.1:${port}/`, `https://127.0.0.1:${port}/`, `http://[::1]:${port}/`, `//127.0.0.1:${port}/`],
        ...[`http://localhost:${port}/`, `http://LOCALHOST.:${port}/`, `http://2130706433:${port}/`],
        ...[`http://[::ffff:7f00:1]:${port}/`, `http://0x7f.1:${port}/`, `http://cdn.example:${port}/`],
        ...['https://cdn.example/', 'https://127.0.0.1/', 'https://[::1]/', `https:\\\\127.1:${port}`],
        ...['file:///etc/passwd', 'data:text/plain;base64,aGk=', 'javascript:1', `ftp://127.0.0.1:${port}/`],
        ...[`http://user:password@127.0.0.1:${server.port}/`, `http://user@127.0.0.1:${port}/`, 'https://['],
      ]
      listener = ({ url = '' }, response) =>
        response.writeHead(status, { location: places[Number(url.slice(1))] }).end('look here')
      for (const [index, place] of places.entries()) {
        // the first request was sent
        expect(await errorOf(get(`/${index}`)), place).toMatchObject({ kind: 'forbidden', neverSent: false })
      }
      expect(server.requests.length).toBe(places.length)
      expect(canaries.hits()).toBe(0)
    })

    it('refuses a private address after several redirects', async () => {
      listener = ({ url = '' }, response) => {
        const left = Number(url.slice(1))
        const location = left > 0 ? `/${left - 1}` : `http://127.0.0.1:${canaries.port}/`
        response.writeHead(302, { location }).end()
      }
      expect(await errorOf(get('/2'))).toMatchObject({ kind: 'forbidden' })
      expect(canaries.hits()).toBe(0)
    })
  })

  describe('without a connection', () => {
    const named = (lookup: Lookup) => createDownloader({ trusted: ['http://files.example:1234'], lookup })
    const address = 'http://files.example:1234/a?signature=secret'

    it('reports neverSent when the port is closed', async () => {
      const { origin, stop } = await serve(() => undefined)
      await stop()
      const other = createDownloader({ trusted: [origin] })
      expect(await errorOf(other.get(origin, { maxBytes: 1 }))).toMatchObject({ kind: 'unreachable', neverSent: true })
      await other.close()
    })

    it('reports neverSent when the name does not exist', async () => {
      const other = named(() => Promise.reject(Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' })))
      expect(await errorOf(other.get(address, { maxBytes: 1 }))).toMatchObject({ kind: 'unreachable', neverSent: true })
      await other.close()
    })

    it('rejects at its timeout or when the caller aborts while the name is not resolved', async () => {
      const other = named(() => new Promise(() => undefined))
      expect(await errorOf(other.get(address, { maxBytes: 1, timeoutMs: 50 }))).toMatchObject({ kind: 'timeout' })
      const reason = new Error('enough')
      const caller = new AbortController()
      const ended = other.get(address, { maxBytes: 1, signal: caller.signal })
      caller.abort(reason)
      await expect(ended).rejects.toBe(reason)
      await other.close()
    })

    it('tries all addresses of a name', async () => {
      listener = (_, response) => response.end('there')
      const addresses = ['127.0.0.3', '127.0.0.1'].map((each) => ({ address: each, family: isIP(each) }))
      const origin = `http://files.example:${server.port}`
      const other = createDownloader({ trusted: [origin], lookup: async () => addresses })
      expect((await other.get(origin, { maxBytes: 10 })).body.toString()).toBe('there')
      await other.close()
    })

    it('reports neverSent when TLS fails, and asks the server for its name', async () => {
      const names: string[] = []
      const tls = createTlsServer({
        SNICallback: (name, done) => {
          names.push(name)
          done(null)
        },
      })
      tls.on('tlsClientError', () => undefined)
      tls.listen(0, '127.0.0.1')
      await once(tls, 'listening')
      const origin = `https://files.example:${(tls.address() as AddressInfo).port}`
      const other = createDownloader({ trusted: [origin], lookup: toLoopback })
      expect(await errorOf(other.get(origin, { maxBytes: 1 }))).toMatchObject({ kind: 'unreachable', neverSent: true })
      expect(names).toEqual(['files.example'])
      await other.close()
      await new Promise((done) => tls.close(done))
    })
  })

  describe('that the caller aborts', () => {
    it('sends nothing when aborted before it begins', async () => {
      const reason = new Error('enough')
      await expect(get('/', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
      expect(server.sockets).toEqual([])
    })

    it.each([
      ['before the response', false],
      ['during the response', true],
    ])('%s rejects with the reason and closes the connection', async (_, begun) => {
      const caller = new AbortController()
      const reason = new Error('enough')
      listener = (_, response) => {
        if (begun) response.write('a', () => caller.abort(reason))
        else caller.abort(reason)
      }
      await expect(get('/', { signal: caller.signal })).rejects.toBe(reason)
      await closed()
    })

    it('fails when the downloader is closed', async () => {
      listener = () => void downloader.close()
      expect(await errorOf(get())).toMatchObject({ kind: 'broken' })
    })
  })

  describe('of a data URL', () => {
    const of = (url: string, maxBytes = 100) => downloader.get(url, { maxBytes })
    const bytes = Buffer.from([0xfb, 0xff, 0xfe, 0x00])

    it.each([
      ['data:image/png;base64,+//+AA==', 'image/png'],
      ['DATA:Image/PNG;name=a.png;BASE64,+//+AA==', 'image/png'],
      ['data:;base64,+//+AA', ''],
      ['data:image/webp;base64,-__-AA', 'image/webp'],
      ['data:image/png;base64,\n+//+\r\nAA==\n', 'image/png'],
      ['data:image/png;base64,+//+%0D%0AAA==%0a', 'image/png'],
    ])('decodes %s', async (url, type) => {
      expect(await of(url)).toEqual({ body: bytes, type, url: 'data:' })
    })

    it('does not count line breaks as bytes', async () => {
      const lines = Buffer.alloc(100, 7).toString('base64').replace(/.{4}/g, '$&\r\n')
      expect((await of(`data:;base64,${lines}`)).body).toEqual(Buffer.alloc(100, 7))
    })

    it('has the same size limit, and may be empty', async () => {
      for (const size of [0, 1, 2, 3, 4, 99, 100]) {
        const { body } = await of(`data:;base64,${Buffer.alloc(size, 7).toString('base64')}`)
        expect(body.length).toBe(size)
      }
      const tooBig = `data:;base64,${Buffer.alloc(101).toString('base64')}`
      expect(await errorOf(of(tooBig))).toMatchObject({ kind: 'too_big' })
    })

    it.each([
      'data:',
      'data:,text',
      'data:text/plain,aGk=',
      'data:;base64',
      'data:;base64,a%20b',
      'data:;base64,a b',
      'data:;base64,====',
    ])('refuses %s', async (url) => {
      expect(await errorOf(of(url))).toMatchObject({ kind: 'broken', neverSent: true })
    })
  })

  it('keeps secrets out of its errors', async () => {
    listener = ({ url = '' }, response) => {
      if (url.startsWith('/404')) response.writeHead(404).end()
      else if (url.startsWith('/away'))
        response.writeHead(302, { location: 'http://u:sesame@a.example/?t=sesame' }).end()
      else if (url.startsWith('/odd')) response.writeHead(302, { location: 'https://[sesame' }).end()
      else if (url.startsWith('/cut')) response.socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na')
      else response.socket?.end('no HTTP')
    }
    const paths = ['/404', '/away', '/odd', '/cut', '/']
    const urls = [
      ...paths.map((path) => `${server.origin}${path}?signature=sesame`),
      'https://user:sesame@cdn.example/?signature=sesame',
      'https://[::1]/sesame',
      'https://[/sesame',
      'http://cdn.example/sesame#sesame',
      'https://cdn.example/sesame',
      'data:;base64,sesame!',
    ]
    for (const url of urls) {
      const error = await errorOf(downloader.get(url, { maxBytes: 10 }))
      const seen = [error.message, error.stack, inspect(error, { depth: 20, showHidden: true }), JSON.stringify(error)]
      expect(seen.join('\n'), url).not.toContain('sesame')
    }
    expect(canaries.hits()).toBe(0)
  })
})
