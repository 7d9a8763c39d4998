/** Finds a Postgres server, how it wants to be connected to, and whether a pooler is in between. */
import { randomInt } from 'node:crypto'
import { connect as connectTo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres, { type Sql } from 'postgres'
import { type Address, driverOptions, readAddress, type Server, Unusable } from './address.ts'

const connectWithinMs = 15_000
const probeMs = 3_000
const probeRounds = 3

/**
 * own: each connection has a session of Postgres · kept: a pooler answers, and a connection keeps its session · shared: the
 * transactions of many connections share sessions, so that nothing may be left in one, and LISTEN hears nothing.
 */
export type SessionKind = 'own' | 'kept' | 'shared'

/** Found under the setting of this name. */
export interface Reached extends Server {
  setting: string
  session: SessionKind
  /** One connection. The caller ends it. */
  client: Sql
}

interface Wanted {
  setting: string
  url: string
  report?(line: string): void
}

/** Retries while the server may still be starting. Rejects with a sentence that names the setting. */
export async function reach({ setting, url, report }: Wanted): Promise<Reached> {
  const address = readAddress(url)
  if ('mistake' in address) throw new Error(`${setting} ${address.mistake}.`)
  const deadline = Date.now() + Math.max(connectWithinMs, address.connectSeconds * 1000)
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2_000)) {
    try {
      return { setting, ...(await tryOnce(address)) }
    } catch (error) {
      const sentence = explain(error, setting, address)
      if (!isTemporary(error) || Date.now() + waitMs > deadline) throw new Error(sentence)
      if (waitMs === 100) report?.(`Waiting for Postgres: ${sentence}`)
      await sleep(waitMs)
    }
  }
}

/** By mode: whether to encrypt, in the order in which it is tried. */
const attempts: Readonly<Record<Address['sslMode'], readonly boolean[]>> = {
  disable: [false],
  allow: [false, true],
  prefer: [true, false],
  require: [true],
  'verify-ca': [true],
  'verify-full': [true],
}

async function tryOnce(address: Address): Promise<Omit<Reached, 'setting'>> {
  const tries = attempts[address.sslMode]
  let refusal: unknown
  for (const encrypted of tries) {
    if (encrypted && !(await offersTls(address))) {
      refusal ??= new Unusable('it does not take encrypted connections', 'Turn on ssl in Postgres, or check sslmode in')
      continue
    }
    try {
      return await open({ address, encrypted })
    } catch (error) {
      if (refusal === undefined || refusal instanceof Unusable || encrypted) refusal = error
      if (!mayDependOnEncryption(error)) break
    }
  }
  throw refusal
}

/** False for a wrong password: what an encrypted connection refused must not be sent again without encryption. */
function mayDependOnEncryption(error: unknown): boolean {
  const { name, code = '' } = error as { name?: string; code?: string }
  return name !== 'PostgresError' || ['28000', '08P01'].includes(code)
}

/** Postgres answers a request for encryption with one letter, before anything else. */
function offersTls({ host, port, connectSeconds }: Address): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connectTo({ host, port })
    socket.setTimeout(connectSeconds * 1000, () => socket.destroy(new Error('no answer in time')))
    socket.on('connect', () => socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])))
    socket.on('data', (answer) => {
      resolve(answer.toString('latin1')[0] === 'S')
      socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the connection was closed')))
  })
}

async function open(server: Server): Promise<Omit<Reached, 'setting'>> {
  const client = oneConnection(server)
  try {
    const answer = await client<{ pid: number; read_only: string }[]>`
      select pg_backend_pid() as pid, current_setting('transaction_read_only') as read_only`
    if (answer[0]?.read_only === 'on') throw new Unusable('it is read-only', 'The primary must be named by')
    const session = answer[0]?.pid === answer.state.pid ? 'own' : await poolingOf(client, server)
    return { ...server, client, session }
  } catch (error) {
    await client.end({ timeout: 0 }).catch(() => undefined)
    throw error
  }
}

function oneConnection(server: Server, onnotify?: () => void): Sql {
  const { postgres: options } = driverOptions(server, { options: server.address.options })
  return postgres({ ...options, max: 1, prepare: false, fetch_types: false, ...(onnotify && { onnotify }) })
}

/**
 * The pooler has told us another process id than that of the session. An idle connection that shares sessions hears no
 * notification, which takes a while to know, so its session is looked for elsewhere first.
 */
async function poolingOf(client: Sql, server: Server): Promise<'kept' | 'shared'> {
  let heard = () => {}
  const hears = new Promise<void>((resolve) => {
    heard = resolve
  })
  const other = oneConnection(server, () => heard())
  try {
    for (let round = 0; round < probeRounds; round++) {
      if (await isShared(client, other)) return 'shared'
    }
    const channel = `fluxbot_probe_${randomInt(2 ** 47)}`
    await other.unsafe(`listen ${channel}`)
    await client.unsafe(`notify ${channel}`)
    return await inTime(
      hears.then(() => 'kept' as const),
      'shared',
    )
  } finally {
    await other.end({ timeout: 0 }).catch(() => undefined)
  }
}

/** True if `other` gets the session of `client`, or if `client` gets another one while `other` is in a transaction. */
function isShared(client: Sql, other: Sql): Promise<boolean> {
  const found = (async () => {
    const ours = await sessionOf(client)
    return other.begin(async (tx) => (await sessionOf(tx)) === ours || (await sessionOf(client)) !== ours)
  })()
  const closed = found.catch((error: { code?: string }) => {
    throw error.code === 'CONNECTION_CLOSED' ? noTransactions() : error
  })
  return inTime(closed, true)
}

const noTransactions = () =>
  new Unusable(
    'a pooler ends connections that begin a transaction',
    'Set pool_mode = transaction in the pooler that is named by',
  )

async function inTime<T>(result: Promise<T>, otherwise: T): Promise<T> {
  const known = new AbortController()
  const late = sleep(probeMs, otherwise, { signal: known.signal }).catch(() => otherwise)
  return Promise.race([result, late]).finally(() => {
    known.abort()
    result.catch(() => undefined)
  })
}

async function sessionOf(client: Pick<Sql, 'unsafe'>): Promise<unknown> {
  const [row] = await client.unsafe('select pg_backend_pid() as pid')
  return row?.pid
}

/** Waiting does not help against a wrong password, a missing database or missing rights (classes 28, 3D, 42). */
function isTemporary(error: unknown): boolean {
  const { code = '' } = error as { code?: unknown }
  return !/^(28|3D|42)...$/.test(String(code)) && cureOf(error) === undefined
}

/** By what TLS or a pooler says. */
const cures: readonly (readonly [RegExp, string])[] = [
  [/CERT|SELF_SIGNED|UNABLE_TO|SSL_|SSL routines/, 'Check sslmode, sslrootcert, sslcert and sslkey in'],
  [/unsupported startup parameter/, 'The pooler does not accept options: remove options from'],
]

function cureOf(error: unknown): string | undefined {
  const { code = '', message = '' } = error as { code?: unknown; message?: string }
  if (error instanceof Unusable) return error.cure
  return cures.find(([wanted]) => wanted.test(`${code} ${message}`))?.[1]
}

/** Leaves out the address itself, which contains the password. */
function explain(error: unknown, setting: string, { host, port, database }: Address): string {
  const where = `Cannot use Postgres at ${host}:${port}, database ${database}: ${reasonOf(error)}.`
  const cure = cureOf(error)
  return `${where} ${cure ? `${cure} ${setting}` : `Check ${setting} and that Postgres is running`}.`
}

export function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string }
  return (message || code || 'no answer').replace(/\.$/, '')
}
