/** Encryption of connections to Postgres, with both drivers: each mode of sslmode against servers that differ. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDatabase } from '../../src/db/open.ts'
import { backends, openTestDatabase, type TestDatabase } from '../helpers/backends.ts'
import { type Certificates, makeCertificates, startTlsProxy, type TlsProxy } from '../helpers/tls-proxy.ts'

describe.skipIf(!backends().includes('postgres'))('connections to Postgres', () => {
  let database: TestDatabase
  let certificates: Certificates
  let encrypting: TlsProxy
  let plain: TlsProxy
  let strict: TlsProxy
  beforeAll(async () => {
    certificates = await makeCertificates()
    database = await openTestDatabase('postgres')
    ;[encrypting, plain, strict] = await Promise.all([
      startTlsProxy(certificates, { offers: true }),
      startTlsProxy(certificates, { offers: false }),
      startTlsProxy(certificates, { offers: true, refusesPlain: true }),
    ])
  })
  afterAll(async () => {
    await Promise.all([encrypting, plain, strict].map((proxy) => proxy?.close()))
    await database?.drop()
    await certificates?.remove()
  })

  /** How the connections of both drivers came, or why there are none. */
  async function ways(proxy: TlsProxy, query: string, host = '127.0.0.1'): Promise<string> {
    const url = new URL(proxy.through(database.url as string))
    url.hostname = host
    url.search = query.replace('AUTHORITY', certificates.authority).replace('OTHER', certificates.otherAuthority)
    proxy.seen()
    try {
      const opened = await openDatabase({ url: url.href, dataDir: '' })
      proxy.seen()
      await opened.rows(sql`select 1`)
      const service = [...proxy.seen()].join()
      await opened.bullPool().query('select 1')
      const queue = [...proxy.seen()].join()
      await opened.close()
      return service === queue ? service : `${service} and ${queue}`
    } catch (error) {
      return (error as Error).message
    }
  }

  test('are encrypted as sslmode says if the server offers it', async () => {
    expect(await ways(encrypting, '')).toBe('plain')
    expect(await ways(encrypting, '?sslmode=disable')).toBe('plain')
    expect(await ways(encrypting, '?sslmode=allow')).toBe('plain')
    expect(await ways(encrypting, '?sslmode=prefer')).toBe('tls')
    expect(await ways(encrypting, '?sslmode=require')).toBe('tls')
    expect(await ways(encrypting, '?ssl=true')).toBe('tls')
  })

  test('are not encrypted if the server does not offer it, or refused', async () => {
    expect(await ways(plain, '?sslmode=prefer')).toBe('plain')
    expect(await ways(plain, '?sslmode=allow')).toBe('plain')
    for (const query of ['?sslmode=require', '?sslmode=verify-full&sslrootcert=AUTHORITY'])
      expect(await ways(plain, query)).toMatch(/does not take encrypted connections.* check sslmode in DATABASE_URL/)
  })

  test('are encrypted if the server refuses others', async () => {
    expect(await ways(strict, '?sslmode=allow')).toBe('tls')
    expect(await ways(strict, '?sslmode=prefer')).toBe('tls')
    expect(await ways(strict, '?sslmode=disable')).toMatch(/no encryption.*Check DATABASE_URL/)
  })

  test('need a certificate of the authority, and of the host as well with verify-full', async () => {
    expect(await ways(encrypting, '?sslmode=verify-full&sslrootcert=AUTHORITY')).toBe('tls')
    expect(await ways(encrypting, '?sslmode=verify-ca&sslrootcert=AUTHORITY', 'localhost')).toBe('tls')
    expect(await ways(encrypting, '?sslmode=verify-full&sslrootcert=AUTHORITY', 'localhost')).toMatch(
      /altnames.*Check sslmode, sslrootcert, sslcert and sslkey in DATABASE_URL/,
    )
    // with an authority, require is verify-ca
    for (const mode of ['require', 'verify-ca', 'verify-full'])
      expect(await ways(encrypting, `?sslmode=${mode}&sslrootcert=OTHER`)).toMatch(/Check sslmode, sslrootcert/)
    expect(await ways(encrypting, '?sslmode=verify-full&sslrootcert=system')).toMatch(/Check sslmode, sslrootcert/)
    expect(await ways(encrypting, '?sslmode=verify-full&sslrootcert=/nowhere')).toMatch(
      /the file of sslrootcert cannot be read \(ENOENT\)\. Check sslrootcert in DATABASE_URL/,
    )
  })

  test('show a certificate of their own', async () => {
    const { certificate, key } = certificates.client
    expect(await ways(encrypting, `?sslmode=require&sslcert=${certificate}&sslkey=${key}`)).toBe('tls with certificate')
  })
})
