/** Redis servers of one test, which may be filled, demoted, killed or kept from saving: single ones, a cluster, sentinels. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from './ports.ts'

/** Why no server can be started. undefined: a server can be started. */
export const noRedis = findProblem()

function findProblem(): string | undefined {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'there is no redis-server on this machine'
  }
}

export interface OwnRedis {
  url: string
  /** Where it saves its data. */
  folder: string
  /** Sends a command. */
  run(name: string, ...words: string[]): Promise<unknown>
  /** As `kill -9`, or another signal. Resolves at once for a signal that does not end it. */
  kill(signal?: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  stop(): Promise<void>
}

/** `more`: settings as in redis.conf. `password`: of the client that `run` uses. */
export async function startRedis(more: Readonly<Record<string, string | number>> = {}): Promise<OwnRedis> {
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'fluxbot-redis-'))
  const settings = { port, dir: folder, bind: '127.0.0.1', save: '', appendonly: 'no', ...more }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const server = spawn('redis-server', flags, { stdio: 'ignore' })
  const client = new Redis({ host: '127.0.0.1', port, password: more.requirepass?.toString() })
  // it may still be starting
  client.on('error', () => {})
  await client.ping()
  return {
    url: `redis://127.0.0.1:${port}`,
    folder,
    run: (name, ...words) => client.call(name, ...words),
    async kill(signal = 'SIGKILL') {
      if (signal === 'SIGKILL') await ended(server)
      else server.kill(signal)
    },
    stop: async () => {
      client.disconnect()
      await ended(server)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const exit = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGKILL')
  // one that is stopped ends once it continues
  server.kill('SIGCONT')
  await exit
}

export interface OwnCluster {
  /** Addresses of all nodes, separated by commas. */
  url: string
  nodes: readonly OwnRedis[]
  stop(): Promise<void>
}

/** Three nodes, each with a third of the slots, without replicas. */
export async function startCluster(): Promise<OwnCluster> {
  const started = await Promise.all([0, 1, 2].map(startNode))
  const nodes = started.map(({ node }) => node)
  await Promise.all(nodes.map((node, n) => node.run('cluster', 'set-config-epoch', String(n + 1))))
  const ranges = [0, 5461, 10923, 16384]
  for (const [n, node] of nodes.entries())
    await node.run('cluster', 'addslotsrange', String(ranges[n]), String(ranges[n + 1]! - 1))
  for (const { port, busPort } of started.slice(1))
    await nodes[0]!.run('cluster', 'meet', '127.0.0.1', String(port), String(busPort))
  for (const node of nodes) await until(async () => /cluster_state:ok/.test(String(await node.run('cluster', 'info'))))
  return {
    url: nodes.map(({ url }) => url).join(','),
    nodes,
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  }
}

async function startNode() {
  const busPort = await freePort()
  const node = await startRedis({ 'cluster-enabled': 'yes', 'cluster-port': busPort, 'cluster-node-timeout': 2000 })
  return { node, busPort, port: Number(new URL(node.url).port) }
}

export interface OwnSentinels {
  /** Addresses of the sentinels, separated by commas. */
  url: string
  name: string
  /** Address of the primary, as the sentinels see it. */
  primary(): Promise<string>
  servers: readonly OwnRedis[]
  stop(): Promise<void>
}

/** A primary, a replica and three sentinels, all with the same password. */
export async function startSentinels(password: string): Promise<OwnSentinels> {
  const login = { requirepass: password, masterauth: password }
  const primary = await startRedis(login)
  const port = new URL(primary.url).port
  const replica = await startRedis({ ...login, replicaof: `127.0.0.1 ${port}` })
  await until(async () => /master_link_status:up/.test(String(await replica.run('info', 'replication'))))
  const name = 'main'
  const sentinels = await Promise.all([0, 1, 2].map(() => startSentinel(name, port, password)))
  const ask = async () => (await sentinels[0]!.client.call('sentinel', 'get-master-addr-by-name', name)) as string[]
  // a failover needs a sentinel that knows the others and the replica
  const known = async (what: string) => (await sentinels[0]!.client.call('sentinel', what, name)) as unknown[]
  await until(async () => (await known('sentinels')).length === 2 && (await known('replicas')).length === 1)
  return {
    url: sentinels.map((one) => `redis://:${password}@127.0.0.1:${one.port}`).join(','),
    name,
    primary: async () => `redis://127.0.0.1:${(await ask())[1]}`,
    servers: [primary, replica],
    stop: async () => {
      await Promise.all(sentinels.map((one) => one.stop()))
      await Promise.all([primary.stop(), replica.stop()])
    },
  }
}

async function startSentinel(name: string, primary: string, password: string) {
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'fluxbot-sentinel-'))
  const lines = [
    `port ${port}`,
    `dir ${folder}`,
    'bind 127.0.0.1',
    `requirepass ${password}`,
    `sentinel monitor ${name} 127.0.0.1 ${primary} 2`,
    `sentinel auth-pass ${name} ${password}`,
    `sentinel down-after-milliseconds ${name} 1000`,
    `sentinel failover-timeout ${name} 5000`,
  ]
  const file = join(folder, 'sentinel.conf')
  await writeFile(file, lines.join('\n'))
  const server = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' })
  const client = new Redis({ host: '127.0.0.1', port, password })
  client.on('error', () => {})
  await client.ping()
  return {
    port,
    client,
    async stop() {
      client.disconnect()
      await ended(server)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Asks again until it holds. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50))
}
