/**
 * Sends hostile requests to every route. Each must get a documented response: no defect, no secret, and no charge for a refused
 * request. Routes and fields come from the OpenAPI document, so new ones are tested as well. Set FUZZ_REQUESTS=100000 for more
 * requests, and FUZZ_SEED for others.
 */
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addConfig } from '../../../src/core/providers/configs.ts'
import type { Operation, Response } from './contract.ts'
import { createSeveral } from './openai/service.ts'
import { openEverything, type Service } from './service.ts'
import { type Shot, targetsOf } from './targets.ts'

const requests = Number(process.env.FUZZ_REQUESTS ?? (process.env.LONG ? 2_000 : 300))
const seed = Number(process.env.FUZZ_SEED ?? 20_261_121)
const providerKey = `sk-planted-${randomUUID()}`
/** Fewer than a key may send in a minute. */
const requestsOfKey = 250

type Access = 'rich' | 'poor' | 'operator' | 'wrong' | 'none'
const accesses = ['rich', 'rich', 'rich', 'poor', 'operator', 'wrong', 'none'] as const

let service: Service
let keys: Record<Access, string | undefined>
const everyKey: string[] = []
let sent = 0
/** Counts over all accounts after the last request. */
let last: Accepted = { generations: 0, holds: 0 }
/** Operations that made a generation. */
const generating = new Set<string>()
/** Operations that can make one. */
const generators = [
  'createImage',
  'createImageEdit',
  'createChatCompletion',
  'createResponse',
  'fluxTextToImage',
  'fluxImageToImage',
  'fluxMultiImageEdit',
  'comfyGenerate',
  'webuiGenerate',
]

beforeAll(async () => {
  const limits = { perMinute: 1_000_000, inFlight: 1_000 }
  service = await openEverything({ providers: [createSeveral().provider], limits })
  await addConfig({ ...service.test.core, actor: 'cli' }, 'sketch', { name: 'planted', key: providerKey })
  await service.test.work()
})
afterAll(async () => {
  expect(await service.close()).toEqual([])
})

describe('a hostile request', () => {
  it(`gets a documented response (${requests} requests)`, { timeout: 3_600_000 }, async () => {
    const targets = service.contract.operations.flatMap((operation) => targetsOf(service.contract, operation))
    expect(targets.length).toBeGreaterThan(100)
    const numRuns = Math.ceil(requests / targets.length)
    const wrong: string[] = []
    for (const [at, { operation, name, shots }] of targets.entries()) {
      const property = fc.asyncProperty(shots, fc.constantFrom<Access>(...accesses), (shot, who) =>
        fire(operation, who, shot()),
      )
      const { failed, errorInstance } = await fc.check(property, { seed: seed + at, numRuns, endOnFailure: true })
      if (failed) wrong.push(`${operation.operationId} ${name}: ${errorInstance}`)
    }
    expect(wrong, `FUZZ_SEED=${seed} FUZZ_REQUESTS=${requests} npx vitest run tests/http/api/fuzz.test.ts`).toEqual([])
    // valid requests among them are accepted, so the others are refused for their hostile part
    expect([...generating].sort()).toEqual([...generators].sort())
  })

  it('in the request line gets a response without details of this machine', async () => {
    await service.app.listen({ port: 0, host: '127.0.0.1' })
    const lines = [
      'GET /../../etc/passwd HTTP/1.1',
      'GET /v1/models/../../../etc/passwd HTTP/1.1',
      'GET /v1/models/%zz HTTP/1.1',
      'GET /docs/static/../../package.json HTTP/1.1',
      'GET /docs/static/..%2f..%2fpackage.json HTTP/1.1',
      'GET //evil.example/ HTTP/1.1',
      'GET http://evil.example/v1/models HTTP/1.1',
      'GET /v1/models#x HTTP/1.1',
      'GET /v1/models?%zz=%ff HTTP/1.1',
      'PROPFIND /v1/models HTTP/1.1',
      'OPTIONS * HTTP/1.1',
    ]
    for (const line of lines) {
      const answer = await raw(`${line}\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
      expect(answer, line).toMatch(/^HTTP\/1\.1 (2\d\d|4\d\d) /)
      expect(secretsIn(answer), line).toEqual([])
    }
  })

  it('leaves no secret in the log', () => {
    const leaks = service.log.lines.filter((line) => [...everyKey, providerKey].some((key) => line.includes(key)))
    expect(leaks).toEqual([])
  })
})

/** Sends a request, and throws for a response that is not allowed. */
async function fire(operation: Operation, who: Access, shot: Shot): Promise<void> {
  if (sent++ % requestsOfKey === 0) await changeKeys()
  const key = keys[who]
  const { statusCode, payload, headers } = await service.app.inject({
    method: operation.method as 'GET',
    url: shot.url,
    headers: { ...shot.headers, ...(key !== undefined && { authorization: `Bearer ${key}` }) },
    payload: shot.payload,
  })
  const answer = { status: statusCode, headers, body: payload }
  const before = last
  last = await countAccepted()
  const accepted = last.generations !== before.generations || last.holds !== before.holds
  const wrong = [...wrongIn(answer), ...wrongFor(who, operation, shot, answer), ...wrongAccepted(who, accepted, answer)]
  if (accepted) generating.add(operation.operationId)
  if (wrong.length > 0) throw new Error(`${shown(operation, who, shot, answer)}\n${wrong.join('\n')}`)
}

function wrongIn({ status, headers, body }: Response): string[] {
  return [
    ...(status >= 500 && status !== 503 ? ['it is a defect'] : []),
    ...(/^[0-9a-f-]{36}$/.test(String(headers['x-request-id'])) ? [] : ['it has no request id']),
    ...(headers['x-injected'] === undefined ? [] : ['it has an injected header']),
    ...secretsIn(`${body}${JSON.stringify(headers)}`),
  ]
}

/** A hostile path may become another operation's, or unknown. Then the response must fit that. */
function wrongFor(who: Access, operation: Operation, { url }: Shot, answer: Response): string[] {
  const { contract } = service
  const { pathname } = new URL(url, 'http://localhost')
  const landed = contract.find(operation.method, pathname)
  const unauthenticated = (who === 'none' || who === 'wrong') && answer.status < 400
  const entered = unauthenticated && landed !== undefined && landed.security === undefined ? ['it needs no key'] : []
  const problems = contract.problems(operation, answer)
  const own = landed?.path === operation.path && !/%2f/i.test(url)
  if (problems.length === 0 || own) return [...entered, ...problems]
  const unknown = answer.status === 404 && /^\{"error":\{"kind":"\w+","message":"[^"]+"\}\}$/.test(answer.body)
  const unlisted = answer.status < 400 && landed === undefined
  const another = landed !== undefined && contract.problems(landed, answer).length === 0
  return unknown || unlisted || another ? entered : [...entered, ...problems]
}

function wrongAccepted(who: Access, accepted: boolean, { status }: Response): string[] {
  if (accepted && status >= 400) return ['it was refused, but accepted']
  return accepted && (who === 'poor' || who === 'wrong' || who === 'none') ? ['it was not paid for'] : []
}

function shown({ method }: Operation, who: Access, shot: Shot, { status, body }: Response): string {
  const sent = JSON.stringify({ who, ...shot, payload: String(shot.payload).slice(0, 400) })
  const logged = service.log.lines.findLast((line) => line.startsWith('error')) ?? ''
  return `${method} ${sent}\n→ ${status} ${body.slice(0, 400)}\n${logged.slice(0, 1_000)}`
}

async function changeKeys(): Promise<void> {
  keys = {
    rich: await service.keyWith(100_000),
    poor: await service.keyWith(0),
    operator: service.operatorKey,
    wrong: `flux_${randomUUID()}`,
    none: undefined,
  }
  everyKey.push(...Object.values(keys).flatMap((key) => key ?? []))
}

interface Accepted {
  generations: number
  holds: number
}

async function countAccepted(): Promise<Accepted> {
  const [row] = await service.test.core.database.rows<Accepted>(sql`
    select (select count(*)::int from generations) as generations,
      (select count(*)::int from ledger where kind = 'hold') as holds`)
  return row ?? { generations: 0, holds: 0 }
}

/** Secrets and internals in a text. */
function secretsIn(text: string): string[] {
  const { secretKey } = service.test.core
  const sealing = (['utf8', 'hex', 'base64'] as const).map((encoding) => secretKey.toString(encoding))
  const planted = [...everyKey.slice(-5), providerKey, process.cwd(), ...sealing]
  const shapes = [/node_modules/, /\bat (async )?[\w.<>]+ \(/, /\.[tj]s:\d+/, /(postgres|redis):\/\//, /root:x:0/]
  return [...planted.filter((each) => text.includes(each)), ...shapes.filter((each) => each.test(text)).map(String)]
}

function raw(request: string): Promise<string> {
  const { port } = service.app.server.address() as { port: number }
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    let answer = ''
    socket.setEncoding('latin1').on('data', (text) => {
      answer += text
    })
    socket.on('end', () => resolve(answer)).on('error', reject)
  })
}
