/** One reading of DATABASE_URL: what both drivers are given for it, and what is refused. */
import pg from 'pg'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { type Address, driverOptions, readAddress } from '../../src/db/address.ts'

function read(url: string): Address {
  const address = readAddress(url)
  if ('mistake' in address) throw new Error(address.mistake)
  return address
}

/** What each driver makes of our options, in one shape. */
function seenByDrivers(url: string, encrypted = false) {
  const { postgres: forPostgres, pg: forPg } = driverOptions(
    { address: read(url), encrypted },
    { options: read(url).options },
  )
  const { options } = postgres(forPostgres)
  const client = new pg.Client(forPg)
  const folder = options.path ? options.path.replace(/\/\.s\.PGSQL\.\d+$/, '') : undefined
  return [
    {
      host: folder ?? options.host[0],
      port: options.port[0],
      user: options.user,
      password: options.pass,
      database: options.database,
      name: options.connection.application_name,
      options: options.connection.options,
      connectSeconds: options.connect_timeout,
      encrypted: Boolean(options.ssl),
    },
    {
      host: client.host,
      port: client.port,
      user: client.user,
      password: client.password,
      database: client.database,
      // biome-ignore lint/suspicious/noExplicitAny: not in its types
      ...(({ application_name: name, options, connect_timeout: connectSeconds }: any) => ({
        name,
        options,
        connectSeconds,
        // biome-ignore lint/suspicious/noExplicitAny: not in its types
      }))((client as any).connectionParameters),
      encrypted: Boolean(client.ssl),
    },
  ]
}

const usual = {
  host: 'db',
  port: 5432,
  user: 'u',
  password: 'p',
  database: 'x',
  name: 'fluxbot',
  options: undefined,
  connectSeconds: 10,
  encrypted: false,
}

describe('both drivers connect in the same way', () => {
  test.each([
    ['postgres://u:p@db/x', {}],
    ['postgresql://u:p@db:6432/x', { port: 6432 }],
    ['postgres://u:a%40b%23c%25d%2Fe%3Ff%22@db/x%2Fy', { password: 'a@b#c%d/e?f"', database: 'x/y' }],
    ['postgres://u:p@[::1]:6432/x', { host: '::1', port: 6432 }],
    ['postgres://u:p@db', { database: 'u' }],
    ['postgres://u:p@%2Fvar%2Frun%2Fpostgresql/x', { host: '/var/run/postgresql' }],
    ['postgres://u:p@db/x?host=/tmp', { host: '/tmp' }],
    ['postgres://u:p@db/x?application_name=a%20b+c', { name: 'a b+c' }],
    ['postgres://u:p@db/x?connect_timeout=33', { connectSeconds: 33 }],
    ['postgres://u:p@db/x?options=-c%20work_mem%3D8MB', { options: '-c work_mem=8MB' }],
    ['postgres://u:p@db/x?target_session_attrs=read-write&channel_binding=prefer&gssencmode=disable', {}],
  ])('to %s', (url, expected) => {
    for (const seen of seenByDrivers(url)) expect(seen).toEqual({ ...usual, ...expected })
  })

  test('encrypted or not', () => {
    for (const seen of seenByDrivers('postgres://u:p@db/x?sslmode=require', true)) expect(seen.encrypted).toBe(true)
  })
})

describe('sslmode', () => {
  test.each([
    ['postgres://db/x', 'prefer'],
    ['postgres://db/x?ssl=true', 'require'],
    ['postgres://db/x?sslrootcert=system', 'verify-full'],
    ['postgres://db/x?sslmode=allow', 'allow'],
    ['postgres://db/x?sslmode=verify-ca&sslrootcert=/ca.pem', 'verify-ca'],
    ['postgres://db/x?sslmode=disable&sslmode=require', 'require'],
    // on this machine, encryption has to be asked for, and a Unix socket has none
    ['postgres://localhost/x', 'disable'],
    ['postgres://127.0.0.1/x', 'disable'],
    ['postgres://[::1]/x', 'disable'],
    ['postgres://127.0.0.1/x?sslmode=prefer', 'prefer'],
    ['postgres://%2Frun/x?sslmode=require', 'disable'],
  ])('of %s is %s', (url, mode) => {
    expect(read(url).sslMode).toBe(mode)
  })
})

test.each([
  ['sslmode=no-verify', 'has a wrong sslmode: it must be disable, allow, prefer, require, verify-ca or verify-full'],
  ['sslmode=', 'has a wrong sslmode'],
  ['ssl=1', 'has a wrong ssl: it must be true'],
  ['sslmode=verify-full', 'has sslmode=verify-full without sslrootcert'],
  ['sslmode=verify-ca', 'has sslmode=verify-ca without sslrootcert'],
  ['sslmode=require&sslrootcert=system', 'has sslrootcert=system, which needs sslmode=verify-full'],
  ['sslrootcert=', 'has a wrong sslrootcert: it must not be empty'],
  ['sslcert=/c.pem', 'must have both sslcert and sslkey'],
  ['channel_binding=require', 'has a wrong channel_binding: it must be prefer or disable'],
  ['gssencmode=require', 'has a wrong gssencmode: it must be prefer or disable'],
  ['connect_timeout=0', 'has a wrong connect_timeout: it must be a whole number of seconds from 1 to 300'],
  ['target_session_attrs=standby', 'fluxbot writes, so it needs the primary'],
  ['host=other', 'must be the folder of a Unix socket'],
  ['password=hunter2', 'has password behind the question mark, which fluxbot does not use: write it before the host'],
  ['pgbouncer=true', 'fluxbot finds out by itself whether a pooler answers'],
  ['connection_limit=5', 'set DATABASE_POOL'],
  ['schema=mine', 'options=-c%20search_path%3Dname'],
  ['sslcrl=/x', 'These are known: sslmode, ssl, sslrootcert'],
  ['hunter2%3D=x', 'has a parameter behind the question mark'],
  ['__proto__=x', 'which fluxbot does not use: remove it'],
])('?%s is refused: it %s', (query, sentence) => {
  const address = readAddress(`postgres://u:hunter2@db/x?${query}`)
  expect(address).toHaveProperty('mistake', expect.stringContaining(sentence))
  expect(JSON.stringify(address)).not.toContain('hunter2')
})
