/**
 * A `pg.Pool` on the embedded database, with the parts that BullMQ uses: query, connect, release, notifications.
 *
 * All clients share PGlite's single session, which runs statements one after another. A client in a transaction holds
 * the session until the transaction ends, so statements of other clients never become part of it.
 */
import { EventEmitter } from 'node:events'
import type { PGlite, Results, Transaction } from '@electric-sql/pglite'
import pg from 'pg'

type Row = Record<string, unknown>
type Result = { rows: Row[]; rowCount: number; fields: { name: string; dataTypeID: number }[] }

export function poolOver(pglite: PGlite): pg.Pool {
  const codecs = codecsOfPg(pglite)
  const clients = new Set<EventEmitter>()
  // all clients share one set of channels, so each client gets every notification; BullMQ filters by channel
  pglite.onNotification((channel, payload) => {
    for (const client of clients) client.emit('notification', { channel, payload, processId: 0 })
  })

  const pool = Object.assign(new EventEmitter(), {
    // keepAlive tells BullMQ that a lost listener is detected; here it cannot get lost
    options: { max: 1_000, keepAlive: true },
    query: (text: string, values?: readonly unknown[]) => run(pglite, text, values, codecs),
    connect: async () => clientOver(pglite, codecs, clients),
    end: async () => {},
  })
  return pool as unknown as pg.Pool
}

function clientOver(pglite: PGlite, codecs: Codecs, clients: Set<EventEmitter>) {
  let open: { tx: Transaction; end(rollback: boolean): Promise<void> } | undefined
  const endTransaction = async (rollback: boolean) => {
    const ending = open
    open = undefined
    await ending?.end(rollback)
    return { rows: [], rowCount: 0, fields: [] }
  }
  const client = Object.assign(new EventEmitter(), {
    async query(text: string, values?: readonly unknown[]) {
      const keyword = /^\s*(begin|start\s+transaction|commit|end|rollback|abort)\s*;?\s*$/i
        .exec(text)?.[1]
        ?.toLowerCase()
      if (keyword === undefined) return run(open?.tx ?? pglite, text, values, codecs)
      if (keyword === 'commit' || keyword === 'end') return endTransaction(false)
      if (keyword === 'rollback' || keyword === 'abort') return endTransaction(true)
      open ??= await begin(pglite)
      return { rows: [], rowCount: 0, fields: [] }
    },
    release() {
      clients.delete(client)
      void endTransaction(true).catch(() => {})
    },
  })
  client.setMaxListeners(0)
  clients.add(client)
  return client
}

/** Resolves once the transaction holds the session, which it keeps until `end`. */
function begin(pglite: PGlite): Promise<{ tx: Transaction; end(rollback: boolean): Promise<void> }> {
  return new Promise((resolve, reject) => {
    const done = pglite.transaction(async (tx) => {
      const rollback = await new Promise<boolean>((finish) => {
        const end = (wanted: boolean) => {
          finish(wanted)
          return done
        }
        resolve({ tx, end })
      })
      if (rollback) await tx.rollback()
    })
    done.catch(reject)
  })
}

async function run(
  on: Pick<PGlite, 'query' | 'exec'> | Transaction,
  text: string,
  values: readonly unknown[] | undefined,
  codecs: Codecs,
): Promise<Result | Result[]> {
  if (values?.length) return resultOf(await on.query<Row>(text, values.map(encode), codecs))
  // without parameters `pg` uses the simple protocol, which takes several statements at once, as migrations need
  const results = ((await on.exec(text, codecs)) as Results<Row>[]).map(resultOf)
  return results.length > 1 ? results : (results[0] ?? { rows: [], rowCount: 0, fields: [] })
}

function resultOf(result: Results<Row>): Result {
  return { rows: result.rows, rowCount: result.rows.length || (result.affectedRows ?? 0), fields: result.fields }
}

type Codecs = {
  parsers: Record<number, (value: string) => unknown>
  serializers: Record<number, (value: string) => string>
}

/** Results are parsed as `pg` parses them (int8 as text, timestamptz as Date). Parameters are already text. */
function codecsOfPg(pglite: PGlite): Codecs {
  const codecs: Codecs = { parsers: {}, serializers: {} }
  for (const oid of Object.keys(pglite.parsers).map(Number)) {
    codecs.parsers[oid] = pg.types.getTypeParser(oid, 'text') as (value: string) => unknown
  }
  for (const oid of Object.keys(pglite.serializers).map(Number)) codecs.serializers[oid] = (value) => value
  return codecs
}

/** A parameter in Postgres' text format, encoded as `pg` does. */
function encode(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return `{${value.map(encodeElement).join(',')}}`
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function encodeElement(value: unknown): string {
  if (Array.isArray(value)) return encode(value) as string
  const text = encode(value)
  return text === null ? 'NULL' : `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
