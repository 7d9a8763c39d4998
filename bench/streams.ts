/**
 * `npx tsx bench/streams.ts [streams] [backend]`: many open streams on one process, half of them pictures with previews and half
 * chats, while a slow provider draws for all of them. The process measures its own event loop. It also runs the worker with image
 * work, which the figures include.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent } from 'undici'
import { type Backend, backends } from '../tests/helpers/backends.ts'
import { needLinux, openSockets, printTable, quantile, residentMb, say } from './parts/figures.ts'
import { type Service, startService } from './parts/service.ts'

/** Stream as a client received it. */
interface Received {
  firstByteMs: number
  pings: number
  previews: number
  /** Whether the stream had its picture and its end. */
  complete: boolean
}

const slowMs = 4_000
/** Number of pictures drawn at the same time. The others wait in the queue with their streams open. */
const drawn = 40
const people = 10
const goalMs = 50
const watchEveryMs = 100

const [streamsGiven, backendGiven] = process.argv.slice(2)
const streams = Number(streamsGiven ?? 200)
const kinds = backendGiven ? [backendGiven as Backend] : backends().filter((kind) => kind !== 'postgres')

async function main(): Promise<boolean> {
  say(`${streams} streams at once on one process, ${drawn} drawn at a time for ${slowMs / 1000} s each\n`)
  const table = [
    [
      'back end',
      'complete',
      'loop late p50, ms',
      'p99',
      'max',
      'first byte p50, ms',
      'p99',
      'pings',
      'previews',
      'memory before → most → after, MB',
      'sockets before → most → after',
    ],
  ]
  let allComplete = true
  for (const kind of kinds) {
    const { row, ended } = await measure(kind)
    table.push([kind, ...row])
    allComplete &&= ended === streams
  }
  printTable(table)
  say(`\nGoal: p99 ≤ ${goalMs} ms, and all streams complete. "after": garbage collected, all clients disconnected.`)
  return allComplete
}

async function measure(kind: Backend): Promise<{ row: string[]; ended: number }> {
  const service = await startService({
    kind,
    redisDatabase: 7,
    env: { PROVIDER_CONCURRENCY: String(drawn) },
    composed: { slowMs, people, inFlight: Math.ceil(streams / people) },
    nodeArgs: ['--expose-gc'],
  })
  try {
    return await run(service)
  } finally {
    await service.stop()
  }
}

async function run(service: Service): Promise<{ row: string[]; ended: number }> {
  const keys = await service.ask('keys')
  // the first requests open connections to the database and compile code
  await openAll(service, keys, 10)
  const before = { sockets: await openAfterPause(service), memory: residentMb(service.pid) }
  const { heapMb } = await service.ask('loop')
  const most = { sockets: 0, memory: 0 }
  const watching = setInterval(() => {
    most.sockets = Math.max(most.sockets, openSockets(service.pid))
    most.memory = Math.max(most.memory, residentMb(service.pid))
  }, watchEveryMs)
  const received = await openAll(service, keys, streams)
  clearInterval(watching)
  const { p50, p99, max } = await service.ask('loop')
  const after = { sockets: await openAfterPause(service), memory: residentMb(service.pid) }
  const { heapMb: heapAfterMb } = await service.ask('loop')
  const ended = received.filter(({ complete }) => complete).length
  const first = received.map(({ firstByteMs }) => firstByteMs)
  const sum = (name: 'pings' | 'previews') => String(received.reduce((all, each) => all + each[name], 0))
  const memory = [before.memory, most.memory, after.memory].map((mb) => mb.toFixed(0)).join(' → ')
  return {
    ended,
    row: [
      `${ended} of ${streams}`,
      ...[p50, p99, max].map((ms) => ms.toFixed(1)),
      ...[quantile(first, 0.5), quantile(first, 0.99)].map((ms) => ms.toFixed(0)),
      sum('pings'),
      sum('previews'),
      `${memory} (heap ${heapMb.toFixed(0)} → ${heapAfterMb.toFixed(0)})`,
      [before.sockets, most.sockets, after.sockets].join(' → '),
    ],
  }
}

/** Number of open sockets, once those of disconnected clients are closed. */
async function openAfterPause(service: Service): Promise<number> {
  await sleep(1_000)
  return openSockets(service.pid)
}

async function openAll({ url }: Service, keys: readonly string[], count: number): Promise<Received[]> {
  const agent = new Agent({ connections: count, pipelining: 1 })
  const received = await Promise.all(
    Array.from({ length: count }, (_, n) =>
      openOne(agent, url, { key: keys[n % keys.length] ?? '', chat: n % 2 === 1 }),
    ),
  )
  await agent.close()
  return received
}

async function openOne(agent: Agent, url: string, { key, chat }: { key: string; chat: boolean }): Promise<Received> {
  const received: Received = { firstByteMs: Number.NaN, pings: -1, previews: 0, complete: false }
  const start = performance.now()
  const answer = await agent.request({
    origin: url,
    path: chat ? '/v1/chat/completions' : '/v1/images/generations',
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(
      chat
        ? { messages: [{ role: 'user', content: 'a cute cat' }], stream: true }
        : { prompt: 'a cute cat', stream: true, partial_images: 2 },
    ),
    bodyTimeout: 60_000,
  })
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${await answer.body.text()}`)
  let rest = ''
  const last = { picture: false, done: false }
  for await (const piece of answer.body.setEncoding('latin1')) {
    if (rest === '' && Number.isNaN(received.firstByteMs)) received.firstByteMs = performance.now() - start
    const blocks = (rest + piece).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) count(block, received, last)
  }
  received.complete = rest === '' && last.picture && (last.done || !chat)
  return received
}

/** Counts one comment or event. The first ping begins every stream. */
function count(block: string, received: Received, last: { picture: boolean; done: boolean }): void {
  if (block === ': ping') received.pings++
  else if (block.startsWith('event: image_generation.partial_image\n')) received.previews++
  else if (block.startsWith('event: image_generation.completed\n')) last.picture = block.includes('"b64_json":"iVBOR')
  else if (block === 'data: [DONE]') last.done = true
  else if (block.includes('"content":') && /!\[a cute cat\]\(http/.test(block)) last.picture = true
}

needLinux()
process.exit((await main()) ? 0 : 1)
