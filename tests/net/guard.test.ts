import { isIP } from 'node:net'
import { Agent } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDownloader } from '../../src/net/download.ts'
import { NetError } from '../../src/net/errors.ts'
import { checkedLookup, checkUrl, createConnector, isPublicAddress, type Lookup } from '../../src/net/guard.ts'
import { type Canaries, startCanaries } from './canaries.ts'

const answers =
  (...addresses: string[]): Lookup =>
  async () =>
    addresses.map((address) => ({ address, family: isIP(address) }))

/** Calls the lookup as node:net does. */
function resolveName(lookup: Lookup, all: boolean) {
  return new Promise<unknown>((resolve, reject) =>
    checkedLookup(lookup)('name.example', { all }, (error, found) => (error ? reject(error) : resolve(found))),
  )
}

async function errorOf(promise: Promise<unknown>): Promise<NetError> {
  const error = await promise.then(
    () => expect.fail('it should have failed'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof NetError)) throw error
  return error
}

describe('a public address', () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '99.255.255.255',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '169.253.255.255',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.0',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2001:4860:4860::8888',
    '2a00:1450:4001:800::200e',
    '::ffff:1.1.1.1',
    '::FFFF:101:101',
    '64:ff9b::1.1.1.1',
    '2002:101:101::1',
  ])('is %s', (ip) => {
    expect(isPublicAddress(ip)).toBe(true)
  })

  it.each([
    // this network, private, shared
    ...['0.0.0.0', '0.0.0.1', '0.255.255.255', '10.0.0.0', '10.255.255.255', '172.16.0.1', '172.31.255.255'],
    ...['192.168.0.1', '192.168.255.255', '100.64.0.0', '100.100.100.200', '100.127.255.255'],
    // loopback, link-local, metadata
    ...['127.0.0.1', '127.255.255.254', '169.254.0.1', '169.254.0.23', '169.254.169.254', '169.254.170.2'],
    ...['192.0.0.192', '168.63.129.16'],
    // protocol assignments, documentation, benchmarking, relays
    ...['192.0.0.1', '192.0.0.170', '192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1', '198.19.255.255'],
    ...['192.88.99.1', '192.52.193.1', '192.31.196.1', '192.175.48.1'],
    // multicast, reserved, broadcast
    ...['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.254', '255.255.255.255'],
    // IPv6 that is not public
    ...['::', '::1', '0:0:0:0:0:0:0:1', 'fe80::1', 'febf::1', 'fec0::1', 'feff::1', 'fc00::1', 'fd00:ec2::254'],
    ...['fdff::1', 'ff02::1', 'ff0e::1', '100::1', '2001:db8::1', '3fff::1', '5f00::1', '4000::1', '8000::1'],
    ...['2001:2::1', '2001:3::1', '2001:4:112::1', '2620:4f:8000::1', '2001:10::1', '2001:20::1', '2001:30::1'],
    ...['2001:1::1', '2001:1ff::1'],
    // IPv4 in IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP
    ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::FFFF:10.0.0.1', '::ffff:169.254.169.254', '::ffff:0.0.0.0'],
    ...['::127.0.0.1', '::7f00:1', '::1.1.1.1', '::ffff:0:127.0.0.1', '::ffff:0:1.1.1.1'],
    ...['64:ff9b::127.0.0.1', '64:ff9b::10.0.0.1', '64:ff9b::a9fe:a9fe', '64:ff9b:1::1.1.1.1', '64:ff9b:1::7f00:1'],
    ...['64:ff9b:2::1.1.1.1', '2002:7f00:1::', '2002:a00:1::1', '2002:a9fe:a9fe::1', '2002:c0a8:101::1'],
    ...['2001::1', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
    ...['2606:4700::5efe:10.0.0.1', '2606:4700::200:5efe:7f00:1', 'fe80::5efe:10.0.0.1', '2002:101:101::5efe:10.0.0.1'],
    // zones
    ...['fe80::1%eth0', '2606:4700:4700::1111%eth0', '::1%lo'],
    // not an address in canonical spelling
    ...[
      '',
      ' ',
      'localhost',
      '127.1',
      '2130706433',
      '0x7f.1',
      '0177.0.0.1',
      '1.1.1',
      '01.1.1.1',
      '1.1.1.1 ',
      ' 1.1.1.1',
    ],
    ...['1.1.1.1.', '1.1.1.1/32', '1.1.1.1:443', '[::1]', '[2606:4700:4700::1111]', '1.1.1.256', '::ffff:1.1.1.1.1'],
    ...['１.1.1.1', '1。1。1。1', '1.1.1.1\u0000', 'example.com'],
  ])('is not %j', (ip) => {
    expect(isPublicAddress(ip)).toBe(false)
  })
})

describe('a name', () => {
  it.each([true, false])('is resolved once, and connected to at the checked address (all: %s)', async (all) => {
    const addressLists = [['1.1.1.1', '2606:4700:4700::1111'], ['127.0.0.1']]
    let asked = 0
    const rebinding: Lookup = async () =>
      (addressLists[asked++] ?? []).map((address) => ({ address, family: isIP(address) }))

    const found = await resolveName(rebinding, all)
    expect(asked).toBe(1)
    const [first] = all ? (found as { address: string }[]) : [{ address: found }]
    expect(first?.address).toBe('1.1.1.1')
    // the second response is checked like the first
    expect(await errorOf(resolveName(rebinding, all))).toMatchObject({ kind: 'forbidden', neverSent: true })
  })

  it.each([
    [['127.0.0.1']],
    [['1.1.1.1', '127.0.0.1']],
    [['1.1.1.1', '::1']],
    [['2606:4700:4700::1111', '10.0.0.1']],
    [['1.1.1.1', '8.8.8.8', '169.254.169.254']],
    [['1.1.1.1', '::ffff:127.0.0.1']],
    [['1.1.1.1', 'fe80::1%eth0']],
    [['1.1.1.1', 'localhost']],
  ])('is refused when it resolves to %j', async (addresses) => {
    expect(await errorOf(resolveName(answers(...addresses), true))).toMatchObject({
      kind: 'forbidden',
      neverSent: true,
    })
    expect(await errorOf(resolveName(answers(...addresses), false))).toMatchObject({
      kind: 'forbidden',
      neverSent: true,
    })
  })

  it('is unreachable when it has no address', async () => {
    expect(await errorOf(resolveName(answers(), true))).toMatchObject({ kind: 'unreachable', neverSent: true })
  })
})

describe('an address to fetch', () => {
  const trusted = new Set(['http://10.0.0.1:9000', 'https://files.example:8443', 'null'])

  it('may have letters that are not ASCII, also after many checks', () => {
    const refused = Array.from({ length: 20_000 }, () => 'https://bücher.example/').filter((url) => {
      try {
        return checkUrl(url, trusted).href === ''
      } catch {
        return true
      }
    })
    expect(refused).toEqual([])
  })

  it.each([
    'https://cdn.example.com/a.png?sig=1',
    'https://CDN.example.com:443/a.png',
    'https://1.1.1.1/',
    'https://[2606:4700:4700::1111]/',
    'https://bücher.example/',
    'http://10.0.0.1:9000/a.png',
    'HTTP://10.0.0.1:9000',
    'http://10.1:9000/',
    'https://files.example:8443/x',
  ])('may be %s', (url) => {
    expect(checkUrl(url, trusted).href).toBe(new URL(url).href)
  })

  it.each([
    'http://cdn.example.com/',
    'https://cdn.example.com:8443/',
    'https://cdn.example.com:80/',
    'https://user@cdn.example.com/',
    'https://:secret@cdn.example.com/',
    'http://user:secret@10.0.0.1:9000/',
    'https://10.0.0.1:9000/',
    'http://10.0.0.1:9001/',
    'http://10.0.0.1/',
    'http://files.example:8443/',
    'https://files.example.:8443/',
    'https://cdn.example.com./',
    'https://10.0.0.1/',
    'https://169.254.169.254/latest/',
    'https://2130706433/',
    'https://[::1]/',
    'https://[::ffff:a00:1]/',
    'https://redis/',
    'blob:https://files.example:8443/1',
    'blob:https://cdn.example.com/1',
  ])('may not be %s', (url) => {
    expect(() => checkUrl(url, trusted)).toThrow(NetError)
  })
})

describe('with servers on loopback that no request may reach', () => {
  let canaries: Canaries
  beforeEach(async () => {
    canaries = await startCanaries()
  })
  afterEach(() => canaries.stop())

  const loopbackV4 = [
    ...['127.0.0.1', '127.0.0.1.', '127.1', '127.0.1', '127.1.', '2130706433', '2130706433.', '017700000001'],
    ...['0x7f000001', '0X7F000001', '0x7f.1', '0x7f.0.0.1', '0x7F.0x0.0x0.0x1', '0177.0.0.1', '0177.1', '0177.0.1'],
    ...['00000177.0.0.1', '127.0x0.0.01', '127.0.0.0x1', '127.000.000.001', '0x000000007f.1', '0', '0.0.0.0', '0x0'],
    ...['１２７.０.０.１', '127。0。0。1', '127．0．0．1', '127｡0｡0｡1', '①②⑦.⓪.⓪.①', '１２７.１', '𝟏𝟐𝟕.𝟎.𝟎.𝟏'],
    ...['%31%32%37.0.0.1', '127%2e0%2e0%2e1', '%30x7f.1', '%EF%BC%91%EF%BC%92%EF%BC%97.1', '127.0.0.%31'],
    ...['1\t27.0.0.1', '127.0.0\n.1', '127\u00ad.0.0.1'],
  ]
  const loopbackV6 = [
    ...['[::1]', '[0:0:0:0:0:0:0:1]', '[0000:0000:0000:0000:0000:0000:0000:0001]', '[::0.0.0.1]', '[0::1]', '[::]'],
    ...['[::ffff:7f00:1]', '[::ffff:127.0.0.1]', '[::FFFF:7F00:0001]', '[0:0:0:0:0:ffff:127.0.0.1]', '[::ffff:0:0]'],
  ]
  /** These resolve to loopback if they are looked up at all. */
  const names = [
    ...['localhost', 'LOCALHOST', 'localhost.', 'LocalHost.', 'localhost.localdomain', 'a.localhost', 'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ'],
    ...[
      'ｌｏｃａｌｈｏｓｔ',
      'local%68ost',
      '%6c%6f%63%61%6c%68%6f%73%74',
      'ip6-localhost',
      'redis',
      'postgres.',
      'host.internal',
    ],
    ...[
      '127.0.0.1.nip.example',
      '7f000001.rbndr.example',
      'localtest.example',
      'bücher.example',
      'xn--bcher-kva.example',
    ],
    ...['metadata.google.internal', 'printer.local', 'a.b.c.example', 'a_b.example', 'cdn.example.', 'x--y.example'],
  ]
  const hosts = [...loopbackV4, ...loopbackV6, ...names]

  const odd = (port: number) => [
    ...[
      '',
      ' ',
      '/',
      '//',
      '//127.0.0.1',
      '127.0.0.1',
      `127.0.0.1:${port}`,
      `localhost:${port}/a`,
      'https://',
      'https:///',
    ],
    ...[
      'http:',
      'https://%',
      'https://[',
      'https://[::1',
      'https://[::1%25lo]/',
      'https://a b/',
      'https://127.0.0.1:99999/',
    ],
    ...['file:///etc/passwd', 'file://127.0.0.1/etc/passwd', 'FILE:///etc/passwd', `ftp://127.0.0.1:${port}/`],
    ...[
      `gopher://127.0.0.1:${port}/_x`,
      `dict://127.0.0.1:${port}/`,
      `ws://127.0.0.1:${port}/`,
      `wss://127.0.0.1:${port}/`,
    ],
    ...[`unix:/var/run/docker.sock`, `http+unix://%2Fvar%2Frun%2Fdocker.sock/x`, 'javascript:alert(1)', 'about:blank'],
    ...[`blob:http://127.0.0.1:${port}/1`, 'view-source:https://127.0.0.1/', `jar:https://127.0.0.1:${port}!/`],
    ...[`http://user:password@127.0.0.1:${port}/`, `https://user@127.0.0.1:${port}/`, `https://:p@localhost:${port}/`],
    ...[
      `https://cdn.example@127.0.0.1:${port}/`,
      `https://cdn.example:443@127.0.0.1:${port}/`,
      `https://1.1.1.1@[::1]:${port}`,
    ],
    ...[`https://cdn.example%40127.0.0.1:${port}/`, `https:127.0.0.1:${port}/`, `https:/127.0.0.1:${port}/`],
    ...[`https:\\\\127.0.0.1:${port}\\a`, `https:/\\127.0.0.1:${port}/`, `https:////127.0.0.1:${port}/`],
    ...[`\u0000https://127.0.0.1:${port}/`, `\thttps://127.0.0.1:${port}/`, `ht\ntps://127.0.0.1:${port}/`],
    ...[
      `https://127.0.0.1:${port}\\@cdn.example/`,
      `https://127.0.0.1:${port}#@cdn.example/`,
      `https://127.0.0.1:${port}?@cdn.example/`,
    ],
    ...[`https://cdn.example:${port}/`, `http://cdn.example:${port}/`, `http://cdn.example/`, `https://cdn.example:0/`],
  ]

  it('the servers count a request that reaches them', async () => {
    const downloader = createDownloader({
      trusted: [`http://127.0.0.1:${canaries.port}`, `http://[::1]:${canaries.port}`],
      lookup: answers('127.0.0.1'),
    })
    const ways = canaries.v6 ? ['127.0.0.1', '[::1]'] : ['127.0.0.1']
    for (const host of ways) await downloader.get(`http://${host}:${canaries.port}/`, { maxBytes: 6 })
    expect(canaries.hits()).toBe(ways.length)
    await downloader.close()
  })

  it.each([
    ['127.0.0.1', answers('127.0.0.1')],
    ['::1', answers('::1')],
    ['::ffff:127.0.0.1', answers('::ffff:127.0.0.1')],
    ['both', answers('127.0.0.1', '::1')],
  ])('the downloader refuses every address when names resolve to %s', async (_, lookup) => {
    const { port } = canaries
    const urls = [
      ...hosts.flatMap((host) => [`https://${host}/a?k=1`, `https://${host}:${port}/`, `http://${host}:${port}/`]),
      ...odd(port),
    ]
    expect(new Set(urls).size).toBeGreaterThan(80)
    const downloader = createDownloader({ trusted: [`http://127.0.0.2:${port}`], lookup })
    const ends = await Promise.all(
      urls.map(async (url) => ({
        url,
        error: await errorOf(downloader.get(url, { maxBytes: 10, timeoutMs: 20_000 })),
      })),
    )
    expect(ends.filter(({ error }) => error.kind !== 'forbidden' || !error.neverSent)).toEqual([])
    expect(canaries.hits()).toBe(0)
    await downloader.close()
  })

  it('the connector alone refuses them too, over http and at the port of these servers', async () => {
    const { port } = canaries
    const agent = new Agent({ connect: createConnector([`http://127.0.0.2:${port}`], answers('127.0.0.1', '::1')) })
    const origins = hosts.map((host) => `http://${host}:${port}/`).filter((each) => URL.canParse(each))
    expect(origins.length).toBeGreaterThan(60)
    for (const origin of origins) {
      const error = await errorOf(agent.request({ origin: new URL(origin), path: '/', method: 'GET' }))
      expect(error, origin).toMatchObject({ kind: 'forbidden', neverSent: true })
    }
    expect(canaries.hits()).toBe(0)
    await agent.destroy()
  })

  it('a name that resolves to loopback the second time is connected to at the address that was checked', async () => {
    // the name has first the address of the closed port, then that of the counting servers
    const { port } = canaries
    let asked = 0
    const rebinding: Lookup = async () => [{ address: asked++ === 0 ? '127.0.0.3' : '127.0.0.1', family: 4 }]
    const agent = new Agent({ connect: createConnector([`http://rebind.example:${port}`], rebinding) })
    // 127.0.0.3 does not listen; a second lookup would find a server that responds
    const error = await errorOf(agent.request({ origin: `http://rebind.example:${port}`, path: '/', method: 'GET' }))
    expect(error).toMatchObject({ kind: 'unreachable', neverSent: true })
    expect([asked, canaries.hits()]).toEqual([1, 0])
    await agent.destroy()
  })

  it('trust applies to the whole origin: scheme, host and port', async () => {
    const { port } = canaries
    const connect = createConnector([`http://files.example:${port}`], answers('127.0.0.1'))
    const agent = new Agent({ connect })
    const get = (origin: string) => agent.request({ origin, path: '/', method: 'GET' })
    for (const origin of [
      `https://files.example:${port}`,
      `http://other.example:${port}`,
      `http://127.0.0.1:${port}`,
      `http://files.example`,
      `http://files.example.:${port}`,
    ]) {
      expect(await errorOf(get(origin)), origin).toMatchObject({ kind: 'forbidden' })
    }
    expect(canaries.hits()).toBe(0)
    expect(await (await get(`http://files.example:${port}`)).body.text()).toBe('canary')
    await agent.destroy()
  })
})
