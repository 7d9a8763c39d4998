/** Downloads of Discord's attachments from a server that states their size wrongly or redirects. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { attachments } from '../../../src/bots/discord/images.ts'
import { createDownloads } from '../../../src/bots/downloads.ts'

const MB = 1024 * 1024

describe('the download of an attachment', () => {
  it('is cut off beyond the limit, and follows no redirect', async () => {
    // /honest has a Content-Length, /silent has none
    const server = createServer((req, res) => {
      if (req.url === '/moved') return res.writeHead(302, { location: 'http://127.0.0.1:9/short' }).end()
      if (req.url === '/honest') res.setHeader('content-length', 3 * MB)
      for (let left = req.url === '/short' ? 1 : 3; left > 0; left -= 1) res.write(Buffer.alloc(MB))
      return res.end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const downloads = createDownloads([origin])
    const load = (path: string) => {
      const given = { name: 'liar.png', bytes: 10, url: origin + path }
      return attachments([given], { origins: [origin], downloads })[0]!.load(2 * MB)
    }
    for (const path of ['/honest', '/silent']) await expect(load(path)).rejects.toMatchObject({ kind: 'image_too_big' })
    expect(await load('/short')).toHaveLength(MB)
    await expect(load('/moved')).rejects.toMatchObject({ kind: 'image_unreachable' })
    await downloads.close()
    server.closeAllConnections()
    server.close()
  })
})
