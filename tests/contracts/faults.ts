/**
 * Injects every fault of an image service into each phase of a request, through the whole core. Every request must end
 * with its picture, or with a fitting error and a refund, and no service may accept it twice.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ErrorKind } from '../../src/core/errors.ts'
import { receiveWebhook } from '../../src/core/generation/provider-webhook.ts'
import type { Model } from '../../src/core/ports/models.ts'
import type { ProviderContext, ProviderKind } from '../../src/core/ports/providers.ts'
import { hooks } from '../../src/http/operations/provider-webhooks.ts'
import { createApp } from '../../src/http/server/app.ts'
import { sketch } from '../../src/models/sketch.ts'
import type { Fault, FaultKind } from '../emulators/faults.ts'
import { wrongPictures } from '../emulators/pictures.ts'
import { quickest } from '../helpers/backends.ts'
import { openTestCore } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'
import { freePort } from '../helpers/ports.ts'
import type { HookTrouble, OpenProvider, Phase, ProviderHarness } from '../helpers/providers/harness.ts'

/** Kinds of errors that a request may fail with. */
const busy: ErrorKind[] = ['provider_busy']
const broken: ErrorKind[] = ['provider_failed', 'provider_timeout', 'bad_result', 'unresolved', 'provider_busy']

interface Trouble {
  name: string
  fault?: FaultKind
  /** The invalid picture that the service delivers, instead of a fault. */
  picture?: keyof typeof wrongPictures
  /** What happens to the calls of our webhook, instead of a fault. */
  hook?: HookTrouble
  /** The prompt. */
  words?: string
  /** Errors that the request may fail with. Absent: it must deliver its picture after the fault. */
  mayFail?: readonly ErrorKind[]
  /** The phases to test. Absent: all. */
  only?: readonly Phase[]
}

const later: readonly Phase[] = ['poll', 'result', 'download']
const troubles: readonly Trouble[] = [
  { name: 'connection lost before the request is processed', fault: 'dropBefore', mayFail: broken },
  { name: 'no response, not processed', fault: 'hang', mayFail: broken },
  { name: 'no response, processed', fault: 'delayAfter', mayFail: broken },
  { name: 'connection lost after the request is processed', fault: 'dropAfter', mayFail: broken },
  { name: '429 with Retry-After', fault: '429' },
  { name: '429 with a Retry-After of years', fault: '429absurd', mayFail: busy },
  { name: '429 without Retry-After', fault: '429bare' },
  { name: '500', fault: '500', mayFail: broken },
  { name: '503', fault: '503', mayFail: broken },
  { name: '502 in JSON although processed', fault: '502json', mayFail: broken },
  { name: '502 as an HTML page', fault: '502html', mayFail: broken },
  { name: 'half a body', fault: 'truncated', mayFail: broken },
  { name: 'a body that breaks off', fault: 'cutOff', mayFail: broken },
  { name: 'an HTML page with status 200', fault: 'wrongType', mayFail: broken },
  { name: 'garbage', fault: 'garbage', mayFail: broken },
  { name: 'an empty body', fault: 'empty', mayFail: broken },
  { name: 'a gzip bomb', fault: 'gzipBomb', mayFail: broken },
  { name: 'a very slow body', fault: 'slowLoris', mayFail: broken },
  { name: 'an endless body', fault: 'endless', mayFail: broken },
  { name: 'a Content-Length of a gigabyte', fault: 'hugeLength', mayFail: broken },
  { name: 'a redirect to a private address', fault: 'redirect', mayFail: [...broken, 'provider_refused'] },
  { name: '404 for an accepted request', fault: 'gone', mayFail: [...broken, 'provider_refused'], only: later },
  { name: 'half a picture', picture: 'truncated', mayFail: ['bad_result'], only: ['submit'] },
  { name: 'a picture of a billion pixels', picture: 'huge', mayFail: ['bad_result'], only: ['submit'] },
  { name: 'an SVG instead of a picture', picture: 'svg', mayFail: ['bad_result'], only: ['submit'] },
  { name: 'an empty picture', picture: 'empty', mayFail: ['bad_result'], only: ['submit'] },
  { name: 'refused content', words: 'nsfw', mayFail: ['moderated'], only: ['submit'] },
]
const hookTroubles: readonly Trouble[] = [
  { name: 'no call of the webhook', hook: 'lost' },
  { name: 'each call of the webhook twice', hook: 'twice' },
  { name: 'forged calls of the webhook', hook: 'forged' },
  { name: 'a call of the webhook before the answer to the submission', hook: 'early' },
]

const phases: readonly Phase[] = ['submit', 'poll', 'result', 'download']
/** Faults that last until the timeout. They run in batches of their own, so that other faults do not wait for them. */
const slow: readonly (FaultKind | undefined)[] = ['hang', 'delayAfter', 'slowLoris', 'hugeLength']
const atOnce = 14
/** Time limits of a generation: short for the slow faults, which reach it; long for others, even on a busy machine. */
const timeoutMs = { slow: 3_500, others: 20_000 }

interface Cell {
  name: string
  trouble: Trouble
  /** Absent: it happens to the calls of the webhook. */
  phase?: Phase
}

export function faultMatrix(harness: ProviderHarness): void {
  describe(`the provider ${harness.name} with faults`, () => {
    let canary: Server
    let hits = 0
    beforeAll(async () => {
      canary = createServer((_req, res) => {
        hits++
        res.end()
      })
      await new Promise<void>((started) => canary.listen(0, '127.0.0.1', started))
    })
    afterAll(() => void canary.close())

    it('ends every request and submits none twice', async () => {
      const cells = await cellsOf(harness)
      const outcomes: string[] = []
      for (const batch of batchesOf(cells)) {
        const location = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/`
        outcomes.push(...(await suffer(harness, batch, location)))
      }
      expect(outcomes.join('\n')).toBe('')
      expect(hits).toBe(0)
    })
  })
}

async function cellsOf(harness: ProviderHarness): Promise<Cell[]> {
  const one = await harness.open()
  await one.close()
  const cells = phases.flatMap((phase) =>
    one.phases[phase]
      ? troubles
          .filter(({ only }) => only?.includes(phase) ?? true)
          .map((trouble): Cell => ({ name: `${trouble.name} (${phase})`, trouble, phase }))
      : [],
  )
  const called = harness.called ? hookTroubles.filter(({ hook }) => hook && one.hooks?.[hook]) : []
  return [...cells, ...called.map((trouble) => ({ name: trouble.name, trouble }))]
}

const isSlow = ({ trouble }: Cell) => slow.includes(trouble.fault)

function batchesOf(cells: readonly Cell[]): Cell[][] {
  const batches: Cell[][] = []
  for (const group of [cells.filter(isSlow), cells.filter((cell) => !isSlow(cell))]) {
    for (let from = 0; from < group.length; from += atOnce) batches.push(group.slice(from, from + atOnce))
  }
  return batches
}

/** Runs the cells in one core, each with its own emulator and lane. Returns a line for each problem. */
async function suffer(harness: ProviderHarness, cells: readonly Cell[], location: string): Promise<string[]> {
  const contexts: ProviderContext[] = []
  const opened = await Promise.all(
    cells.map(({ trouble: { picture } }, at) =>
      harness.open({
        workMs: 300,
        picture: picture && wrongPictures[picture],
        webhookUrl: harness.called ? webhookOf(() => contexts[at]) : undefined,
      }),
    ),
  )
  const providers = opened.map(({ provider }, at): ProviderKind => {
    const name = `cell-${at}`
    const create = (_: unknown, context: ProviderContext) => {
      contexts[at] = context
      return { ...provider, name }
    }
    return { name, title: name, needsKey: false, create }
  })
  const models = opened.map((open, at) => modelOf(open, at, cells[at]?.trouble.words ?? 'a cute cat'))
  const port = await freePort()
  const { core, chat, say, ended, work, close } = await openTestCore(quickest, {
    providers,
    // a service on this machine can call us
    publicUrl: harness.called ? `http://127.0.0.1:${port}` : undefined,
    providerSettings: harness.called ? { baseUrl: 'http://127.0.0.1' } : {},
    models,
    limits: { inFlight: 100, perMinute: 1000, welcome: 1000, lostMs: 1_000 },
    providerMs: cells.some(isSlow) ? timeoutMs.slow : timeoutMs.others,
  })
  const app = createApp({ log: core.log, plugins: [hooks((call) => receiveWebhook(core, call))] })
  try {
    if (harness.called) await app.listen({ port, host: '127.0.0.1' })
    await work()
    const wrong = await Promise.all(
      cells.map(async ({ name, trouble, phase }, at) => {
        const open = opened[at]!
        if (trouble.fault) open.faults.add(faultOf(trouble.fault, phase && open.phases[phase], location))
        if (trouble.hook) open.hooks?.[trouble.hook]?.()
        const call = await say(`${trouble.words ?? 'a cute cat'} --model cell-${at}`, { who: `p${at}` })
        const state = await ended(call)
        const [row] = await core.database.rows<{ error: ErrorKind | null }>(
          sql`select error from generations where key = ${call.key}`,
        )
        const error = row?.error ?? undefined
        const shown = chat.last(call.address)
        const problems = [
          ...(trouble.fault && open.faults.hits.length === 0 ? ['was spared'] : []),
          ...(open.accepted() > 1 ? [`accepted ${open.accepted()} times`] : []),
          ...(state === 'failed' && !(error && trouble.mayFail?.includes(error)) ? [`failed with ${error}`] : []),
          ...(state === 'failed' && !shown?.text.includes('given back') ? [`says ${shown?.text}`] : []),
          ...(state === 'delivered' && (shown?.state !== 'done' || shown.pictures?.length !== 1)
            ? ['shows no picture']
            : []),
          ...(trouble.picture && state === 'delivered' ? ['delivered what is no picture'] : []),
        ]
        return problems.map((problem) => `${name}: ${problem}`)
      }),
    )
    return [...wrong.flat(), ...(await violations(core.database))]
  } finally {
    await app.close()
    await close()
    await Promise.all(opened.map((open) => open.close()))
  }
}

const webhookOf = (context: () => ProviderContext | undefined) => (id: string) => {
  const url = context()?.webhookUrl?.(id)
  if (!url) throw new Error('the provider has no webhook')
  return url
}

/** A fault that hits one request only. */
function faultOf(kind: FaultKind, match: Fault['match'], location: string): Fault {
  return { kind, match, times: 1, location, retryAfterSeconds: 0 }
}

function modelOf(open: OpenProvider, at: number, prompt: string): Model {
  const { endpoint, input } = open.task(prompt)
  const route = { provider: `cell-${at}`, endpoint, takes: sketch.routes[0]!.takes, input: () => input }
  return { id: `cell-${at}`, aliases: [], title: `Cell ${at}`, price: 1, routes: [route] }
}
