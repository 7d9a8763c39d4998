/**
 * `npx tsx bench/streams.ts [streams] [backend]`: so many open streams at once on one process, half of pictures with previews
 * and half of chats, while a slow provider draws for all of them. The process measures its own event loop; it draws too, with
 * image work, so whatever else it does is in the figures.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent } from 'undici'
import { type Backend, backends } from '../tests/helpers/backends.ts'
import { needLinux, openSockets, printTable, quantile, residentMb, say } from './parts/figures.ts'
import { type Service, startService } from './parts/service.ts'

/** What a client saw of one stream. */
interface Seen {
  firstByteMs: number
  pings: number
  previews: number
  /** Everything came that was promised, and the end. */
  well: boolean
}

const slowMs = 4_000
/** Drawn at the same time: the others wait in the queue with their streams open. */
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
      'ended well',
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
  let well = true
  for (const kind of kinds) {
    const { row, ended } = await measure(kind)
    table.push([kind, ...row])
    well &&= ended === streams
  }
  printTable(table)
  say(`\nGoal: p99 ≤ ${goalMs} ms, and all ended well. "after" is with garbage collected and all clients gone.`)
  return well
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
  // the first of each opens connections to the database and compiles what is called
  await openAll(service, keys, 10)
  const before = { sockets: await settled(service), memory: residentMb(service.pid) }
  const { heapMb } = await service.ask('loop')
  const most = { sockets: 0, memory: 0 }
  const watching = setInterval(() => {
    most.sockets = Math.max(most.sockets, openSockets(service.pid))
    most.memory = Math.max(most.memory, residentMb(service.pid))
  }, watchEveryMs)
  const seen = await openAll(service, keys, streams)
  clearInterval(watching)
  const { p50, p99, max } = await service.ask('loop')
  const after = { sockets: await settled(service), memory: residentMb(service.pid) }
  const { heapMb: heapAfterMb } = await service.ask('loop')
  const ended = seen.filter(({ well }) => well).length
  const first = seen.map(({ firstByteMs }) => firstByteMs)
  const sum = (name: 'pings' | 'previews') => String(seen.reduce((all, each) => all + each[name], 0))
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

/** Sockets of clients that have gone are closed a moment later. */
async function settled(service: Service): Promise<number> {
  await sleep(1_000)
  return openSockets(service.pid)
}

async function openAll({ url }: Service, keys: readonly string[], count: number): Promise<Seen[]> {
  const agent = new Agent({ connections: count, pipelining: 1 })
  const seen = await Promise.all(
    Array.from({ length: count }, (_, n) =>
      openOne(agent, url, { key: keys[n % keys.length] ?? '', chat: n % 2 === 1 }),
    ),
  )
  await agent.close()
  return seen
}

async function openOne(agent: Agent, url: string, { key, chat }: { key: string; chat: boolean }): Promise<Seen> {
  const seen: Seen = { firstByteMs: Number.NaN, pings: -1, previews: 0, well: false }
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
    if (rest === '' && Number.isNaN(seen.firstByteMs)) seen.firstByteMs = performance.now() - start
    const blocks = (rest + piece).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) look(block, seen, last)
  }
  seen.well = rest === '' && last.picture && (last.done || !chat)
  return seen
}

/** One comment or event. The first ping is the beginning of every stream. */
function look(block: string, seen: Seen, last: { picture: boolean; done: boolean }): void {
  if (block === ': ping') seen.pings++
  else if (block.startsWith('event: image_generation.partial_image\n')) seen.previews++
  else if (block.startsWith('event: image_generation.completed\n')) last.picture = block.includes('"b64_json":"iVBOR')
  else if (block === 'data: [DONE]') last.done = true
  else if (block.includes('"content":') && /!\[a cute cat\]\(http/.test(block)) last.picture = true
}

needLinux()
process.exit((await main()) ? 0 : 1)
