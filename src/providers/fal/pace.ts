/**
 * When to poll a request next. Learns how long requests of one kind take, and reads the progress bars in their logs, so
 * that few polls are needed to notice the end soon.
 */
import type { Json } from '../../db/json.ts'
import { progressBarOf, requestedCount, type Status } from './responses.ts'

export interface Pace {
  /** Call when a request of this kind was submitted; returns the wait before the first poll in milliseconds. */
  begin(requestId: string, kind: string): number
  /** The wait before the next poll in milliseconds. */
  next(requestId: string, status: Status): number
  /** Call when the request is done. `instantly`: an event reported its end, so the time is exact. */
  done(requestId: string, status: Status, instantly: boolean): void
}

interface Tracked {
  kind: string
  begunAt: number
  polledAt: number
  /** When the progress bar will end. Absent: no bar was seen. */
  barEndsAt?: number
  /** False for requests resumed after a restart: their duration is unknown, so it teaches nothing. */
  fromStart: boolean
}

/** What was learned about requests of one kind. */
interface Profile {
  meanMs: number
  /** Mean deviation from `meanMs`. */
  spreadMs: number
  /** From the end of the bar to the end of the request: decoding, checking, uploading. undefined: there are no bars. */
  tailMs?: number
  /** Number of requests it was learned from. */
  samples: number
}

const firstMs = 700
const leastMs = 50
/** Longest pause between polls while the end is due. */
const dueMs = 350
/** Share of the mean duration after which an early poll reads the bar, to learn when to poll next. */
const earlyLook = 0.35
const queuedMs = { least: 250, most: 3_000 }
const growingMs = { least: 250, most: 5_000 }
const limits = { tracked: 10_000, profiles: 500 }
/** Minimum weight of the newest sample in a profile. */
const leastWeight = 0.15

export function createPace(now: () => number = () => performance.now()): Pace {
  const requests = new Map<string, Tracked>()
  const profiles = new Map<string, Profile>()

  function track(requestId: string): Tracked {
    const existing = requests.get(requestId)
    if (existing) return existing
    // resumed after a restart
    const request = { kind: '', begunAt: now(), polledAt: now(), fromStart: false }
    setCapped(requests, requestId, request, limits.tracked)
    return request
  }

  return {
    begin(requestId, kind) {
      const at = now()
      setCapped(requests, requestId, { kind, begunAt: at, polledAt: at, fromStart: true }, limits.tracked)
      const profile = profiles.get(kind)
      return profile ? earliestMs(profile) : firstMs
    },
    next(requestId, status) {
      const request = track(requestId)
      request.polledAt = now()
      return waitMs(request, { profile: profiles.get(request.kind), status, now: request.polledAt })
    },
    done(requestId, status, instantly) {
      const request = requests.get(requestId)
      requests.delete(requestId)
      if (!request?.fromStart) return
      const doneAt = instantly ? now() : estimateEnd(request, status, now())
      setCapped(profiles, request.kind, learn(profiles.get(request.kind), request, doneAt), limits.profiles)
    },
  }
}

/** Groups requests that take about the same time. */
export function kindOf(endpoint: string, input: Json): string {
  return `${endpoint} ${requestedCount(input)}`
}

function waitMs(
  request: Tracked,
  { profile, status, now }: { profile?: Profile; status: Status; now: number },
): number {
  if (status.status === 'IN_QUEUE') {
    request.begunAt = now
    return clamp((profile?.meanMs ?? 1000) / 2, queuedMs)
  }
  const elapsedMs = now - request.begunAt
  const bar = progressBarOf(status)
  const leftMs = bar?.leftMs ?? (bar && bar.percent >= 10 ? (elapsedMs * (100 - bar.percent)) / bar.percent : undefined)
  if (leftMs !== undefined) {
    request.barEndsAt = bar?.percent === 100 ? (request.barEndsAt ?? now) : now + leftMs
    const overdueMs = now - request.barEndsAt - (profile?.tailMs ?? 0)
    return overdueMs < 0 ? Math.max(leastMs, -overdueMs) : Math.max(leastMs, overdueMs / 2)
  }
  if (!profile) return clamp(elapsedMs * 0.4, growingMs)
  const earlyMs = earliestMs(profile)
  if (elapsedMs < earlyMs) return Math.max(leastMs, earlyMs - elapsedMs)
  const overdueMs = elapsedMs - profile.meanMs - 2 * profile.spreadMs
  return Math.max(leastMs, Math.min(dueMs, profile.spreadMs * 0.7), Math.min(growingMs.most, overdueMs / 2))
}

/** When the end may be expected at the earliest; sooner if a progress bar can be read by then. */
function earliestMs({ meanMs, spreadMs, tailMs }: Profile): number {
  const soonMs = Math.max(leastMs, meanMs / 4, meanMs - 2 * spreadMs)
  return tailMs === undefined || spreadMs < meanMs / 10 ? soonMs : Math.min(soonMs, meanMs * earlyLook)
}

/** The request ended between the previous poll and this one; its reported running time says when. */
function estimateEnd(request: Tracked, { metrics }: Status, now: number): number {
  if (!metrics) return (request.polledAt + now) / 2
  return Math.min(now, Math.max(request.polledAt, request.begunAt + metrics.inference_time * 1000))
}

function learn(profile: Profile | undefined, { begunAt, barEndsAt }: Tracked, doneAt: number): Profile {
  const tookMs = doneAt - begunAt
  const tailMs = barEndsAt === undefined ? undefined : Math.min(5_000, Math.max(0, doneAt - barEndsAt))
  if (!profile) return { meanMs: tookMs, spreadMs: tookMs * 0.15, tailMs, samples: 1 }
  const weight = Math.max(leastWeight, 1 / (profile.samples + 1))
  const mix = (before: number, newest: number) => before + (newest - before) * weight
  return {
    meanMs: mix(profile.meanMs, tookMs),
    spreadMs: mix(profile.spreadMs, Math.abs(tookMs - profile.meanMs)),
    tailMs: tailMs === undefined ? profile.tailMs : mix(profile.tailMs ?? tailMs, tailMs),
    samples: profile.samples + 1,
  }
}

function clamp(ms: number, { least, most }: { least: number; most: number }): number {
  return Math.min(most, Math.max(least, ms))
}

/** Drops the oldest entry beyond `limit`: a dropped entry only costs a few more polls. */
function setCapped<T>(entries: Map<string, T>, name: string, value: T, limit: number): void {
  entries.delete(name)
  entries.set(name, value)
  const oldest = entries.keys().next().value
  if (entries.size > limit && oldest !== undefined) entries.delete(oldest)
}
