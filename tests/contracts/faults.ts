/**
 * Twenty ways for an image service to misbehave × each provider × each phase of a request, through the whole core: every
 * request ends, with its picture or with words that fit and the credits back, and no service accepted it twice.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ErrorKind } from '../../src/core/errors.ts'
import type { Model } from '../../src/core/ports/models.ts'
import type { ImageProvider } from '../../src/core/ports/providers.ts'
import { sketch } from '../../src/models/sketch.ts'
import type { Fault, FaultKind } from '../emulators/faults.ts'
import { wrongPictures } from '../emulators/pictures.ts'
import { quickest } from '../helpers/backends.ts'
import { openTestCore } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'
import type { OpenProvider, Phase, ProviderHarness } from '../helpers/providers/harness.ts'

/** What the person may hear when the picture does not come. */
const busy: ErrorKind[] = ['provider_busy']
const broken: ErrorKind[] = ['provider_failed', 'provider_timeout', 'bad_result', 'unresolved', 'provider_busy']

interface Trouble {
  name: string
  fault?: FaultKind
  /** Instead of a fault on the way: what kind of picture comes. */
  picture?: keyof typeof wrongPictures
  words?: string
  /** undefined: the picture must come all the same, once the trouble is over. */
  mayFail?: readonly ErrorKind[]
  /** Only these phases. */
  only?: readonly Phase[]
}

const later: readonly Phase[] = ['poll', 'result', 'download']
const troubles: readonly Trouble[] = [
  { name: 'the connection breaks before it is asked', fault: 'dropBefore', mayFail: broken },
  { name: 'no answer, not accepted', fault: 'hang', mayFail: broken },
  { name: 'no answer, accepted', fault: 'delayAfter', mayFail: broken },
  { name: 'the answer is lost', fault: 'dropAfter', mayFail: broken },
  { name: '429 with a pause', fault: '429' },
  { name: '429 with an absurd pause', fault: '429absurd', mayFail: busy },
  { name: '429 without a pause', fault: '429bare' },
  { name: '500', fault: '500', mayFail: broken },
  { name: '503', fault: '503', mayFail: broken },
  { name: "a gateway's JSON after the fact", fault: '502json', mayFail: broken },
  { name: 'a page of HTML', fault: '502html', mayFail: broken },
  { name: 'half an answer', fault: 'truncated', mayFail: broken },
  { name: 'an answer that breaks off', fault: 'cutOff', mayFail: broken },
  { name: 'another type', fault: 'wrongType', mayFail: broken },
  { name: 'bytes without sense', fault: 'garbage', mayFail: broken },
  { name: 'nothing', fault: 'empty', mayFail: broken },
  { name: 'a bomb', fault: 'gzipBomb', mayFail: broken },
  { name: 'a byte now and then', fault: 'slowLoris', mayFail: broken },
  { name: 'no end', fault: 'endless', mayFail: broken },
  { name: 'a gigabyte promised', fault: 'hugeLength', mayFail: broken },
  { name: 'a way to a private address', fault: 'redirect', mayFail: [...broken, 'provider_refused'] },
  { name: 'done, and then not there', fault: 'gone', mayFail: [...broken, 'provider_refused'], only: later },
  { name: 'half a picture', picture: 'truncated', mayFail: ['bad_result'], only: ['submit'] },
  { name: 'a picture of a billion pixels', picture: 'huge', mayFail: ['bad_result'], only: ['submit'] },
  { name: 'a drawing that says it is a picture', picture: 'svg', mayFail: ['bad_result'], only: ['submit'] },
  { name: 'no picture', picture: 'empty', mayFail: ['bad_result'], only: ['submit'] },
  { name: 'refused content', words: 'nsfw', mayFail: ['moderated'], only: ['submit'] },
]

const phases: readonly Phase[] = ['submit', 'poll', 'result', 'download']
/** Those that take as long as they are given stand together: then the others need not wait for them. */
const slow: readonly (FaultKind | undefined)[] = ['hang', 'delayAfter', 'slowLoris', 'hugeLength']
const atOnce = 14
/** Of one generation at its provider: what hangs is given up after this; the others have all the time that a busy machine takes. */
const timeoutMs = { slow: 3_500, others: 20_000 }

interface Cell {
  name: string
  trouble: Trouble
  phase: Phase
}

export function faultMatrix(harness: ProviderHarness): void {
  describe(`${harness.name} in trouble`, () => {
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

    it('ends every request, and pays for none twice', { timeout: 120_000 }, async () => {
      const cells = cellsOf(await phasesOf(harness))
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

function cellsOf(known: OpenProvider['phases']): Cell[] {
  const cells = phases.flatMap((phase) =>
    known[phase]
      ? troubles
          .filter(({ only }) => only?.includes(phase) ?? true)
          .map((trouble) => ({ name: `${trouble.name} (${phase})`, trouble, phase }))
      : [],
  )
  return cells
}

const isSlow = ({ trouble }: Cell) => slow.includes(trouble.fault)

function batchesOf(cells: readonly Cell[]): Cell[][] {
  const batches: Cell[][] = []
  for (const group of [cells.filter(isSlow), cells.filter((cell) => !isSlow(cell))]) {
    for (let from = 0; from < group.length; from += atOnce) batches.push(group.slice(from, from + atOnce))
  }
  return batches
}

async function phasesOf(harness: ProviderHarness): Promise<OpenProvider['phases']> {
  const one = await harness.open()
  await one.close()
  return one.phases
}

/** Each cell has its own emulator; all are lanes of one core. Returns what was wrong. */
async function suffer(harness: ProviderHarness, cells: readonly Cell[], location: string): Promise<string[]> {
  const opened = await Promise.all(
    cells.map(({ trouble: { picture } }) => harness.open({ workMs: 300, picture: picture && wrongPictures[picture] })),
  )
  const providers = opened.map(({ provider }, at): ImageProvider => ({ ...provider, name: `cell-${at}` }))
  const models = opened.map((open, at) => modelOf(open, at, cells[at]?.trouble.words ?? 'a cute cat'))
  const { core, chat, say, ended, work, close } = await openTestCore(quickest, {
    providers,
    models,
    limits: { inFlight: 100, perMinute: 1000, welcome: 1000, lostMs: 1_000 },
    providerMs: cells.some(isSlow) ? timeoutMs.slow : timeoutMs.others,
  })
  try {
    await work()
    const wrong = await Promise.all(
      cells.map(async ({ name, trouble, phase }, at) => {
        const open = opened[at]!
        if (trouble.fault) open.faults.add(faultOf(trouble.fault, open.phases[phase], location))
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
    await close()
    await Promise.all(opened.map((open) => open.close()))
  }
}

/** Once: what comes after it is well again. */
function faultOf(kind: FaultKind, match: Fault['match'], location: string): Fault {
  return { kind, match, times: 1, location, retryAfterSeconds: 0 }
}

function modelOf(open: OpenProvider, at: number, prompt: string): Model {
  const { endpoint, input } = open.task(prompt)
  const route = { provider: `cell-${at}`, endpoint, takes: sketch.routes[0]!.takes, input: () => input }
  return { id: `cell-${at}`, aliases: [], title: `Cell ${at}`, price: 1, routes: [route] }
}
