/** Cloudflare Workers AI and an AI Gateway in front of it, as the documentation and quoted responses describe them. */
import { randomUUID } from 'node:crypto'
import type { Faults } from '../faults.ts'
import { type Received, type Sent, startServer } from '../server.ts'
import {
  badInput,
  type ContentCode,
  contentRefused,
  failure,
  faultAnswers,
  gatewayRefusal,
  noSuchModel,
  type RefusalCode,
  refusalOf,
} from './errors.ts'
import { parseInput } from './input.ts'
import { draw, type EmulatedModel, type Input, models } from './models.ts'

export interface CloudflareOptions {
  /** Absent: any free port. */
  port?: number
  account?: string
  token?: string
  /** Prefix of account keys; all other keys are user keys. Default 'cfat_'. */
  accountPrefix?: string
  /** Makes the bytes of each picture. Default: real pictures of the requested size. */
  picture?: () => Promise<Buffer>
  /** Milliseconds that a run takes. */
  workMs?: number
  /** Code of content refusals. Default 8007. */
  nsfwCode?: ContentCode
  /** Key that the gateway requires in its own header. Absent: none. */
  gatewayToken?: string
  /** Place and form of the picture in the JSON. Default 'result'. */
  imageIn?: 'result' | 'nested' | 'data URL'
  random?: () => number
  /** See `ServerOptions`. */
  keepRequests?: number
}

export interface Cloudflare {
  /** The account's address, to configure a provider with. */
  baseUrl: string
  /** The address of the gateway, to configure a provider with. */
  gatewayUrl: string
  account: string
  token: string
  requests: Received[]
  faults: Faults
  /** Runs that the real service would charge, including those whose response was lost. */
  accepted(): number
  /** The parsed input of each such run. */
  inputs: { model: string; input: Input }[]
  /** Refuses every run from now on with this code. undefined: no longer. */
  refuse(code: RefusalCode | undefined): void
  /** Whether failures are sent with status 200. */
  failWithOk(on: boolean): void
  setTokenStatus(status: 'active' | 'disabled' | 'expired'): void
  stop(): Promise<void>
}

const defaultAccount = '0123456789abcdef0123456789abcdef'
const defaultToken = 'cf-test-token-4f1d9a6e7b'

interface World {
  options: CloudflareOptions
  account: string
  token: string
  inputs: Cloudflare['inputs']
  refused?: RefusalCode
  ok: boolean
  tokenStatus: 'active' | 'disabled' | 'expired'
}

export async function startCloudflare(options: CloudflareOptions = {}): Promise<Cloudflare> {
  const { account = defaultAccount, token = defaultToken, port, random, keepRequests } = options
  const world: World = { options, account, token, inputs: [], ok: false, tokenStatus: 'active' }
  const server = await startServer({
    port,
    random,
    keepRequests,
    answers: faultAnswers,
    handle: async (received) => {
      const sent = await route(world, received)
      return world.ok && sent.status >= 400 ? { ...sent, status: 200 } : sent
    },
  })
  return {
    baseUrl: `${server.url}/client/v4/accounts/${account}`,
    gatewayUrl: `${server.url}/v1/${account}/pictures/workers-ai`,
    account,
    token,
    requests: server.requests,
    faults: server.faults,
    accepted: () => world.inputs.length,
    inputs: world.inputs,
    refuse: (code) => {
      world.refused = code
    },
    failWithOk: (on) => {
      world.ok = on
    },
    setTokenStatus: (status) => {
      world.tokenStatus = status
    },
    stop: server.stop,
  }
}

function route(world: World, received: Received): Promise<Sent> | Sent {
  const gateway = /^\/v1\/([^/]+)\/[^/]+\/workers-ai\/(?:run\/)?(@.+)$/.exec(received.path)
  if (gateway) return throughGateway(world, received, { account: gateway[1] ?? '', model: gateway[2] ?? '' })
  const path = /^\/client\/v4(\/.*)$/.exec(received.path)?.[1] ?? ''
  const ofAccount = world.token.startsWith(world.options.accountPrefix ?? 'cfat_')
  if (path === '/user/tokens/verify') return verify(world, received, !ofAccount)
  const [, account, rest = ''] = /^\/accounts\/([^/]+)(\/.*)$/.exec(path) ?? []
  if (account === undefined) return failure(404, 7000, 'No route for that URI', null)
  if (!hasKey(world, received)) return refusalOf(10000)
  if (account !== world.account) return refusalOf(7003)
  if (rest === '/tokens/verify') return verify(world, received, ofAccount)
  if (rest === '/ai/models/search' && received.method === 'GET') return search(received)
  const model = /^\/ai\/run\/(.+)$/.exec(rest)?.[1]
  if (model === undefined || received.method !== 'POST') return failure(404, 7000, 'No route for that URI', null)
  return run(world, received, model)
}

function throughGateway(world: World, received: Received, { account, model }: { account: string; model: string }) {
  const { gatewayToken } = world.options
  if (account !== world.account) return gatewayRefusal(2001)
  if (gatewayToken && received.headers['cf-aig-authorization'] !== `Bearer ${gatewayToken}`) return gatewayRefusal(2009)
  if (world.refused === 2016 || world.refused === 2017) return gatewayRefusal(world.refused)
  return hasKey(world, received) ? run(world, received, model) : refusalOf(10000)
}

const hasKey = ({ token }: World, { headers }: Received) => headers.authorization === `Bearer ${token}`

/** `fits`: whether keys of this kind (user or account) are verified at the requested address. */
function verify(world: World, received: Received, fits: boolean): Sent {
  if (!fits || !hasKey(world, received)) return failure(401, 1000, 'Invalid API Token', null)
  const messages = { active: 'This API Token is valid and active', disabled: 'disabled', expired: 'expired' }
  const message = { code: 10000, message: messages[world.tokenStatus], type: null }
  const result = { id: 'a7d1c62b8f0e4d7f9b3a5c6d7e8f9012', status: world.tokenStatus }
  return { status: 200, body: { result, success: true, errors: [], messages: [message] } }
}

function search({ query }: Received): Sent {
  const text = query.get('search') ?? ''
  const found = Object.keys(models).filter((name) => name.includes(text))
  const result = found.map((name) => ({
    id: randomUUID(),
    source: 1,
    name,
    description: name,
    task: { id: '3d6e1f35-341b-4915-a6c8-9a7142a9033a', name: 'Text-to-Image', description: 'Draws.' },
    tags: [],
    properties: [],
  }))
  const perPage = Number(query.get('per_page') ?? 50)
  const info = { count: Math.min(result.length, perPage), page: 1, per_page: perPage, total_count: result.length }
  return {
    status: 200,
    body: { result: result.slice(0, perPage), success: true, errors: [], messages: [], result_info: info },
  }
}

async function run(world: World, received: Received, name: string): Promise<Sent> {
  const model = models[name]
  if (!model) return noSuchModel(name)
  let input: Input
  try {
    input = await parseInput(received, model)
  } catch (error) {
    return badInput((error as Error).message)
  }
  if (world.refused) return refusalOf(world.refused)
  if (/nsfw/i.test(String(input.prompt))) return contentRefused(world.options.nsfwCode ?? 8007)
  world.inputs.push({ model: name, input })
  const { workMs = 0 } = world.options
  if (workMs > 0) await new Promise((done) => setTimeout(done, workMs))
  return drawn(world, model, input)
}

async function drawn({ options }: World, model: EmulatedModel, input: Input): Promise<Sent> {
  const { picture, random = Math.random, imageIn = 'result' } = options
  const bytes = await (picture ?? (() => draw(model, input, random)))()
  if (model.raw) return { status: 200, headers: { 'content-type': `image/${model.type}` }, body: bytes }
  const base64 = bytes.toString('base64')
  const result = {
    result: { image: base64 },
    nested: { image: { image: base64 } },
    'data URL': { image: `data:image/${model.type};base64,${base64}` },
  }[imageIn]
  return { status: 200, body: { result, success: true, errors: [], messages: [] } }
}
