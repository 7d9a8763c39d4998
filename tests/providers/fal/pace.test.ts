import { describe, expect, it } from 'vitest'
import { createPace } from '../../../src/providers/fal/pace.ts'
import { progressBarOf, type Status } from '../../../src/providers/fal/responses.ts'

interface Job {
  workMs: number
  queuedMs?: number
}

/** A pseudorandom generator that returns the same numbers in each run. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

/** Polls each job as the pace says, on a simulated clock. Returns how late each end was noticed, and the calls it took. */
function poll(jobs: readonly Job[], bars: boolean) {
  let now = 0
  const pace = createPace(() => now)
  return jobs.map(({ workMs, queuedMs = 0 }, at) => {
    const begunAt = now
    const id = String(at)
    const statusNow = (): Status => {
      const workedMs = now - begunAt - queuedMs
      if (workedMs < 0) return { status: 'IN_QUEUE', queue_position: 3 }
      const metrics = { inference_time: workMs / 1000 }
      if (workedMs >= workMs) return { status: 'COMPLETED', metrics }
      return { status: 'IN_PROGRESS', logs: bars ? [bar(workedMs, workMs)] : [] }
    }
    now += pace.begin(id, 'kind')
    let polls = 1
    for (; statusNow().status !== 'COMPLETED'; polls++) now += pace.next(id, statusNow())
    pace.done(id, statusNow(), false)
    const noticedMs = now - begunAt - queuedMs - workMs
    now += 1_000
    // one more call reads the result
    return { noticedMs, calls: polls + 1 }
  })
}

function bar(workedMs: number, workMs: number) {
  const done = Math.floor((workedMs / workMs) * 28)
  const percent = Math.floor((done / 28) * 100)
  return { message: `${percent}%|███ | ${done}/28 [00:01<00:01, ${(28_000 / workMs).toFixed(2)}it/s]` }
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
/** Without the first few, from which the pace learns. */
const learned = (jobs: ReturnType<typeof poll>) => jobs.slice(5)

describe('the pace of polling fal', () => {
  const random = randomFrom(7)
  const any = Array.from({ length: 300 }, () => ({ workMs: 1_000 + random() * 3_000 }))
  const usual = Array.from({ length: 300 }, () => ({ workMs: 2_000 * (0.9 + random() * 0.2) }))

  it.each([
    ['takes between one and four seconds, with a progress bar', any, true],
    ['takes about the usual time, with a progress bar', usual, true],
    ['takes about the usual time, without a progress bar', usual, false],
  ] as const)('notices the end within 80 ms and six calls when a request %s', (_, jobs, bars) => {
    const seen = learned(poll(jobs, bars))
    expect(mean(seen.map(({ noticedMs }) => noticedMs))).toBeLessThanOrEqual(80)
    expect(mean(seen.map(({ calls }) => calls))).toBeLessThanOrEqual(6)
  })

  it('notices the end no later than half-second polling when durations are unpredictable', () => {
    const seen = learned(poll(any, false))
    expect(mean(seen.map(({ noticedMs }) => noticedMs))).toBeLessThan(250)
    expect(mean(seen.map(({ calls }) => calls))).toBeLessThanOrEqual(8)
  })

  it('polls rarely while a request is queued for a minute', () => {
    const [first] = poll([{ workMs: 2_000, queuedMs: 60_000 }], true)
    expect(first?.calls).toBeLessThanOrEqual(130)
    const last = poll([...usual, { workMs: 2_000, queuedMs: 60_000 }], true).at(-1)
    expect(last?.calls).toBeLessThanOrEqual(70)
  })

  it('polls the first request of a kind a few times', () => {
    const [first] = poll([{ workMs: 2_500 }], false)
    expect(first?.calls).toBeLessThanOrEqual(8)
  })
})

describe('the progress bar in logs of fal', () => {
  const parse = (...messages: string[]) =>
    progressBarOf({ status: 'IN_PROGRESS', logs: messages.map((message) => ({ message })) })

  it.each([
    [' 50%|█████     | 14/28 [00:01<00:01, 10.00it/s]', { percent: 50, leftMs: 1350 }],
    [' 25%|██▌       | 1/4 [00:02<00:06,  2.00s/it]', { percent: 25, leftMs: 5000 }],
    ['100%|██████████| 28/28 [00:02<00:00, 12.1it/s]', { percent: 100, leftMs: 0 }],
    ['  0%|          | 0/28 [00:00<?, ?it/s]', { percent: 0, leftMs: undefined }],
    [' 10%|█         | 3/28', { percent: 10, leftMs: undefined }],
  ])('is parsed from %j', (line, expected) => {
    const { percent, leftMs } = parse(line) ?? {}
    expect(percent).toBe(expected.percent)
    if (expected.leftMs === undefined) expect(leftMs).toBeUndefined()
    else expect(leftMs).toBeCloseTo(expected.leftMs)
  })

  it('is the last one, or undefined when no line has a valid one', () => {
    expect(parse(' 10%|█| 1/10', ' 20%|██| 2/10', 'uploading')?.percent).toBe(20)
    expect(parse('loading', '900%|█| 9/1')).toBeUndefined()
  })
})
