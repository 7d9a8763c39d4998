/**
 * `npx tsx bench/openai.ts [rounds] [back end] [folder for processor profiles]`: processor time per `POST /v1/images/generations`, compared with
 * @portkey-ai/gateway in front of the same image service, which answers at once. The servers run in processes of their own and
 * take turns. Only their own user and system time counts, not that of Postgres and Redis.
 *
 * The gateway only forwards a request. fluxbot finds its account, holds the credits in the ledger, queues it, fetches and stores
 * its picture and charges it. "route alone" omits the work on pictures that the gateway does not do: decoding, and, for links, all
 * but a few bytes of the picture.
 */
import { resolve } from 'node:path'
import { Pool } from 'undici'
import { type Backend, backends } from '../tests/helpers/backends.ts'
import { cpuMs, median, needLinux, printTable, range, say } from './parts/figures.ts'
import { startGateway } from './parts/gateway.ts'
import { heavyPicture, smallPicture } from './parts/picture.ts'
import type { Server } from './parts/process.ts'
import { operatorKey, type Service, startService } from './parts/service.ts'
import { lightPrompt, startUpstream, type Upstream } from './parts/upstream.ts'

type Form = 'url' | 'b64_json'

interface Way {
  name: string
  server: Server
  /** Number of requests per round, about a second of work. */
  count: Record<Form, number>
  headers: Record<string, string>
  body(form: Form): object
}

interface World {
  upstream: Upstream
  base64: string
  whole: Service
  parts: Service
  gateway: Server | undefined
}

const atOnce = 8
const goals: Record<Form, number> = { url: 3.5, b64_json: 0.5 }
const gatewayName = '@portkey-ai/gateway'
const uncounted: Record<Backend, string> = {
  redis: 'Postgres and Redis',
  postgres: 'Postgres',
  pglite: 'the image service and the client; the database runs in the measured process',
}

const [roundsGiven, backendGiven, profiles] = process.argv.slice(2)
const rounds = Number(roundsGiven ?? 5)
const kind = (backendGiven ?? backends().at(-1) ?? 'pglite') as Backend

async function main(): Promise<void> {
  const world = await open()
  try {
    say(`CPU-ms per request, ${atOnce} at a time, ${rounds} rounds in turns, ${kind}: median (minimum–maximum)\n`)
    const table = [['response', 'server', 'CPU-ms', 'ratio to gateway', 'goal', 'requests/s', 'SQL statements']]
    for (const form of ['url', 'b64_json'] as const) table.push(...(await compare(form, world)))
    printTable(table)
    say(`\nNot counted: the time of ${uncounted[kind]}.`)
  } finally {
    await close(world)
  }
}

async function open(): Promise<World> {
  const heavy = await heavyPicture()
  const upstream = await startUpstream(heavy, await smallPicture(16))
  const env = {
    DOUBAO_API_KEY: 'k',
    DOUBAO_API_URL: upstream.url,
    CF_ACCOUNT_ID: 'a'.repeat(32),
    CF_API_TOKEN: 'k',
    CF_API_URL: upstream.url,
  }
  const profiled = (name: string) => (profiles ? ['--cpu-prof', `--cpu-prof-dir=${resolve(profiles, name)}`] : [])
  const whole = await startService({ kind, env, redisDatabase: 6, nodeArgs: profiled('whole') })
  const composed = { trusting: true }
  const parts = await startService({ kind, env, redisDatabase: 7, composed, nodeArgs: profiled('alone') })
  return { upstream, base64: heavy.toString('base64'), whole, parts, gateway: await startGateway() }
}

async function close({ upstream, whole, parts, gateway }: World): Promise<void> {
  await Promise.all([whole.stop(), parts.stop(), gateway?.stop()])
  await upstream.stop()
}

async function compare(form: Form, world: World): Promise<string[][]> {
  const ways = waysOf(form, world)
  const figures = ways.map(() => ({ cpu: [] as number[], perSecond: [] as number[] }))
  let statements = 0
  // the first round warms up
  for (let round = 0; round <= rounds; round++) {
    for (const [at, way] of ways.entries()) {
      const { cpu, perSecond } = await measure(way, form, world)
      if (way.server === world.parts) {
        const sent = Object.values(await world.parts.ask('statements'))
        statements = sent.reduce((sum, each) => sum + each, 0) / way.count[form]
      }
      if (round === 0) continue
      figures[at]?.cpu.push(cpu)
      figures[at]?.perSecond.push(perSecond)
    }
  }
  const bare = figures[ways.findIndex(({ name }) => name === gatewayName)]?.cpu
  return ways.map(({ name, server }, at) => {
    const { cpu = [], perSecond = [] } = figures[at] ?? {}
    const ratios = bare === undefined ? [] : cpu.map((each, round) => each / (bare[round] ?? 1))
    const compared = name !== gatewayName && ratios.length > 0
    return [
      form,
      name,
      range(cpu, 2),
      compared ? range(ratios, 2) : '',
      name.includes('alone') ? `≤ ${goals[form]}` : '',
      median(perSecond).toFixed(0),
      server === world.parts ? statements.toFixed(1) : '',
    ]
  })
}

function waysOf(form: Form, { whole, parts, gateway, upstream }: World): Way[] {
  const headers = { authorization: `Bearer ${operatorKey}`, 'content-type': 'application/json' }
  const model = form === 'url' ? 'seedream' : 'cf-schnell'
  const ours = (prompt: string) => (response_format: Form) => ({ model, prompt, response_format })
  const forwarded = {
    ...headers,
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `${upstream.url}/v1`,
  }
  const alone = form === 'url' ? lightPrompt : 'a cute cat'
  const light: Way = {
    name: 'ours, route alone',
    server: parts,
    count: { url: 200, b64_json: 80 },
    headers,
    body: ours(alone),
  }
  return [
    ...(gateway
      ? [
          {
            name: gatewayName,
            server: gateway,
            count: { url: 1_000, b64_json: 60 },
            headers: forwarded,
            body: (response_format: Form) => ({ model: 'dall-e-3', prompt: 'a cute cat', response_format }),
          },
        ]
      : []),
    light,
    ...(form === 'url'
      ? [
          {
            ...light,
            name: 'ours, the picture fetched and stored',
            count: { url: 100, b64_json: 0 },
            body: ours('a cute cat'),
          },
        ]
      : []),
    {
      name: 'ours, whole: also decoded',
      server: whole,
      count: { url: 40, b64_json: 40 },
      headers,
      body: ours('a cute cat'),
    },
  ]
}

async function measure(way: Way, form: Form, world: World): Promise<{ cpu: number; perSecond: number }> {
  const { server, headers, body, count } = way
  const pool = new Pool(server.url, { connections: atOnce })
  const requestsBefore = world.upstream.requests()
  const before = cpuMs(server.pid)
  const start = performance.now()
  let left = count[form]
  const lane = async () => {
    while (left-- > 0) {
      const text = await post(pool, headers, JSON.stringify(body(form)))
      check(text, form, world)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  const seconds = (performance.now() - start) / 1000
  const cpu = (cpuMs(server.pid) - before) / count[form]
  await pool.close()
  if (world.upstream.requests() - requestsBefore !== count[form])
    throw new Error(`${way.name}: the image service did not get one request for each picture`)
  return { cpu, perSecond: count[form] / seconds }
}

async function post(pool: Pool, headers: Record<string, string>, body: string): Promise<string> {
  const answer = await pool.request({ method: 'POST', path: '/v1/images/generations', headers, body })
  const text = await answer.body.text()
  if (answer.statusCode === 200) return text
  throw new Error(`${answer.statusCode} ${text.slice(0, 300)}`)
}

/** Throws unless the response has the expected picture, or a link. */
function check(text: string, form: Form, { base64 }: World): void {
  const { data } = JSON.parse(text) as { data: { url?: string; b64_json?: string }[] }
  const right = form === 'url' ? data[0]?.url?.startsWith('http') : data[0]?.b64_json === base64
  if (!right) throw new Error(`unexpected response: ${text.slice(0, 300)}`)
}

needLinux()
await main()
process.exit(0)
