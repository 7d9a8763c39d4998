/**
 * Calls that midjourney-proxy makes (`notifyHook`) when the status or progress of a task changes. They are neither signed nor repeated, and
 * may arrive in any order, so they only say which task to look at.
 */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { Json } from '../../db/json.ts'

/** Other statuses mean that the task has ended. */
const unfinished = ['', 'NOT_START', 'SUBMITTED', 'IN_PROGRESS']

const bodyShape = z.looseObject({
  // part of an address that we read
  id: z.union([z.string().regex(/^[\w-]{1,100}$/), z.int().nonnegative()]).transform(String),
  status: z.string().nullish(),
})

const noticeShape = z.object({ taskId: z.string(), ended: z.boolean() })
/** What a call claims. */
export type Notice = z.infer<typeof noticeShape>

/** Throws AppError forged for anything but a task. */
export function noticeIn(body: Buffer): Json {
  const { data } = bodyShape.safeParse(jsonIn(body))
  if (!data) throw new AppError('forged')
  const notice: Notice = { taskId: data.id, ended: !unfinished.includes(data.status ?? '') }
  return notice
}

export const noticeOf = (message: Json | undefined): Notice | undefined => noticeShape.safeParse(message).data

function jsonIn(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
