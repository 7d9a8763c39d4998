import type { Json } from '../../db/json.ts'
import { askedOf } from './result.ts'
import { barOf, type Status } from './status.ts'

export interface Pace {
  /** A request of this kind begins now; returns the wait before the first question. */
  begin(requestId: string, kind: string): number
  /** The wait before the next question. */
  next(requestId: string, status: Status): number
  /** It is done. `told`: known at once, not found out by asking. */
  done(requestId: string, status: Status, told: boolean): void
}

interface Watch {
  kind: string
  begunAt: number
  askedAt: number
  /** When the bar says that the drawing ends. */
  barEndsAt?: number
  /** Seen from its beginning, so there is something to learn from it. */
  whole: boolean
}

interface Habit {
  meanMs: number
  /** Mean distance from the mean. */
  spreadMs: number
  /** From the end of the bar to done: decoding, checking, uploading. undefined: there are no bars. */
  tailMs?: number
  /** How many it was learned from. */
  times: number
}

const firstMs = 700
const closeMs = 50
/** Between questions where no habit can be made out. */
const apartMs = 350
/** Of the usual time: a bar seen this early is worth a question, because it says when to ask the next. */
const glance = 0.35
const queuedMs = { least: 250, most: 3_000 }
const growingMs = { least: 250, most: 5_000 }
const limits = { watches: 10_000, habits: 500 }
/** Least weight of the newest in what is remembered. */
const fresh = 0.15

export function createPace(now: () => number = () => performance.now()): Pace {
  const watches = new Map<string, Watch>()
  const habits = new Map<string, Habit>()

  function watchOf(requestId: string): Watch {
    const known = watches.get(requestId)
    if (known) return known
    // resumed after a restart
    const watch = { kind: '', begunAt: now(), askedAt: now(), whole: false }
    keep(watches, requestId, watch, limits.watches)
    return watch
  }

  return {
    begin(requestId, kind) {
      const at = now()
      keep(watches, requestId, { kind, begunAt: at, askedAt: at, whole: true }, limits.watches)
      const habit = habits.get(kind)
      return habit ? earliest(habit) : firstMs
    },
    next(requestId, status) {
      const watch = watchOf(requestId)
      watch.askedAt = now()
      return waitMs(watch, { habit: habits.get(watch.kind), status, now: watch.askedAt })
    },
    done(requestId, status, told) {
      const watch = watches.get(requestId)
      watches.delete(requestId)
      if (!watch?.whole) return
      const doneAt = told ? now() : estimate(watch, status, now())
      keep(habits, watch.kind, learn(habits.get(watch.kind), watch, doneAt), limits.habits)
    },
  }
}

/** Requests that take about as long as each other. */
export function kindOf(endpoint: string, input: Json): string {
  return `${endpoint} ${askedOf(input)}`
}

function waitMs(watch: Watch, { habit, status, now }: { habit?: Habit; status: Status; now: number }): number {
  if (status.status === 'IN_QUEUE') {
    watch.begunAt = now
    return between((habit?.meanMs ?? 1000) / 2, queuedMs)
  }
  const elapsedMs = now - watch.begunAt
  const bar = barOf(status)
  const leftMs = bar?.leftMs ?? (bar && bar.percent >= 10 ? (elapsedMs * (100 - bar.percent)) / bar.percent : undefined)
  if (leftMs !== undefined) {
    watch.barEndsAt = bar?.percent === 100 ? (watch.barEndsAt ?? now) : now + leftMs
    const overdueMs = now - watch.barEndsAt - (habit?.tailMs ?? 0)
    return overdueMs < 0 ? Math.max(closeMs, -overdueMs) : Math.max(closeMs, overdueMs / 2)
  }
  if (!habit) return between(elapsedMs * 0.4, growingMs)
  const early = earliest(habit)
  if (elapsedMs < early) return Math.max(closeMs, early - elapsedMs)
  const overdueMs = elapsedMs - habit.meanMs - 2 * habit.spreadMs
  return Math.max(closeMs, Math.min(apartMs, habit.spreadMs * 0.7), Math.min(growingMs.most, overdueMs / 2))
}

function earliest({ meanMs, spreadMs, tailMs }: Habit): number {
  const soonMs = Math.max(closeMs, meanMs / 4, meanMs - 2 * spreadMs)
  return tailMs === undefined || spreadMs < meanMs / 10 ? soonMs : Math.min(soonMs, meanMs * glance)
}

/** It ended between the last question and this one; the time it ran says where. */
function estimate(watch: Watch, { metrics }: Status, now: number): number {
  if (!metrics) return (watch.askedAt + now) / 2
  return Math.min(now, Math.max(watch.askedAt, watch.begunAt + metrics.inference_time * 1000))
}

function learn(habit: Habit | undefined, { begunAt, barEndsAt }: Watch, doneAt: number): Habit {
  const tookMs = doneAt - begunAt
  const tailMs = barEndsAt === undefined ? undefined : Math.min(5_000, Math.max(0, doneAt - barEndsAt))
  if (!habit) return { meanMs: tookMs, spreadMs: tookMs * 0.15, tailMs, times: 1 }
  const weight = Math.max(fresh, 1 / (habit.times + 1))
  const mix = (before: number, newest: number) => before + (newest - before) * weight
  return {
    meanMs: mix(habit.meanMs, tookMs),
    spreadMs: mix(habit.spreadMs, Math.abs(tookMs - habit.meanMs)),
    tailMs: tailMs === undefined ? habit.tailMs : mix(habit.tailMs ?? tailMs, tailMs),
    times: habit.times + 1,
  }
}

function between(ms: number, { least, most }: { least: number; most: number }): number {
  return Math.min(most, Math.max(least, ms))
}

/** Forgets the oldest: what is forgotten costs a few questions more. */
function keep<T>(all: Map<string, T>, name: string, value: T, limit: number): void {
  all.delete(name)
  all.set(name, value)
  const oldest = all.keys().next().value
  if (all.size > limit && oldest !== undefined) all.delete(oldest)
}
