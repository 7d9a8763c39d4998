/** Group commit: calls that arrive while a statement of their kind is under way share the next one, and so one round trip and one commit. */
import { type SQL, sql } from 'drizzle-orm'

interface Batched<Context, Call, Result> {
  /** Calls with the same key never share a statement: the later one waits for the end of the earlier one's. */
  keyOf(call: Call): string
  /** Runs without waiting and without others. Absent: no call does. */
  isAlone?(call: Call): boolean
  /** One statement. Resolves to the results in the order of the calls. */
  run(context: Context, calls: readonly Call[]): Promise<readonly Result[]>
}

interface Waiting<Call, Result> {
  call: Call
  resolve(result: Result): void
  reject(error: unknown): void
}

/** Bounds the time for which a statement holds locks. */
const mostCalls = 50
/** A statement that takes longer waits for a lock, or for a connection that is gone: the calls of others no longer wait for it. */
const patienceMs = 500

/**
 * Each context has a queue of its own. A call that finds no statement under way starts one at once. Later calls wait for that statement,
 * but not longer than `patienceMs`. When the server refuses a statement, each of its calls runs again alone, so that an error reaches its
 * own caller only.
 */
export function inBatches<Context extends object, Call, Result>(
  batched: Batched<Context, Call, Result>,
): (context: Context, call: Call) => Promise<Result> {
  const lines = new WeakMap<Context, (call: Call) => Promise<Result>>()
  return (context, call) => {
    if (batched.isAlone?.(call)) return runAlone(batched, context, call)
    const line = lines.get(context) ?? openLine(batched, context)
    lines.set(context, line)
    return line(call)
  }
}

function openLine<Context, Call, Result>(
  batched: Batched<Context, Call, Result>,
  context: Context,
): (call: Call) => Promise<Result> {
  let waiting: Waiting<Call, Result>[] = []
  /** Keys of the calls whose statement is under way. */
  const underWay = new Set<string>()
  let isBusy = false
  const start = async (batch: readonly Waiting<Call, Result>[]) => {
    const keys = batch.map(({ call }) => batched.keyOf(call))
    for (const key of keys) underWay.add(key)
    await runTogether(batched, context, batch)
    for (const key of keys) underWay.delete(key)
    if (!isBusy && waiting.length > 0) void work()
  }
  const work = async () => {
    isBusy = true
    for (;;) {
      const { batch, later } = nextOf(waiting, batched.keyOf, underWay)
      if (batch.length === 0) break
      waiting = later
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, patienceMs)
        void start(batch).finally(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
    isBusy = false
  }
  return (call) =>
    new Promise((resolve, reject) => {
      waiting.push({ call, resolve, reject })
      if (!isBusy) void work()
    })
}

function nextOf<Call, Result>(
  waiting: readonly Waiting<Call, Result>[],
  keyOf: (call: Call) => string,
  underWay: ReadonlySet<string>,
) {
  const keys = new Set(underWay)
  const batch: Waiting<Call, Result>[] = []
  const later: Waiting<Call, Result>[] = []
  for (const each of waiting) {
    const key = keyOf(each.call)
    const fits = batch.length < mostCalls && !keys.has(key)
    // one that has to wait keeps its place before later ones with its key
    keys.add(key)
    ;(fits ? batch : later).push(each)
  }
  return { batch, later }
}

/** Never rejects. */
async function runTogether<Context, Call, Result>(
  batched: Batched<Context, Call, Result>,
  context: Context,
  batch: readonly Waiting<Call, Result>[],
): Promise<void> {
  try {
    const results = await batched.run(
      context,
      batch.map(({ call }) => call),
    )
    for (const [at, { resolve }] of batch.entries()) resolve(results[at] as Result)
  } catch (error) {
    if (batch.length === 1 || !isRefusal(error)) {
      for (const { reject } of batch) reject(error)
      return
    }
    await Promise.all(batch.map(({ call, resolve, reject }) => runAlone(batched, context, call).then(resolve, reject)))
  }
}

async function runAlone<Context, Call, Result>(
  { run }: Batched<Context, Call, Result>,
  context: Context,
  call: Call,
): Promise<Result> {
  const [result] = await run(context, [call])
  return result as Result
}

/**
 * Whether the server answered that it has not done the statement. After a lost connection that is unknown, and each call fails as it
 * would alone.
 */
function isRefusal(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    const { code } = cause as { code?: unknown }
    // connection errors, and the end of a server, may follow a commit
    if (typeof code === 'string' && /^(?!08|57P)[0-9FHPX][0-9A-Z]{4}$/.test(code)) return true
  }
  return false
}

/**
 * The calls as rows, for a statement that joins its tables to them: in order of what it locks, so that two statements lock their rows in the
 * same order and never wait for each other. `columns`: names and types of their properties. The condition is always true: without it the
 * planner expects 100 rows, and reads a whole table that it knows to be small instead of an index.
 */
export function rowsOfCalls<Call extends { id: string }>(
  calls: readonly Call[],
  columns: SQL,
  locks = ({ id }: Call): string => id,
): SQL {
  const rows = calls.toSorted((a, b) => (locks(a) < locks(b) ? -1 : 1)).map((call, at) => ({ ...call, at }))
  return sql`
    select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as calls(at int, ${columns}) where at between 0 and 1000`
}
