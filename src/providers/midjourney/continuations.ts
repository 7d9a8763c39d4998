/**
 * What Midjourney can do further with a finished task. Proxies that report Midjourney's own buttons take the id of one (`action`); the
 * others take the number of a picture in a grid (`change`).
 */
import { z } from 'zod'
import type { Act, Continuation } from '../../core/ports/models.ts'
import type { MidjourneyTask } from './responses.ts'

/** Part of the ticket of a finished task. */
export const finishedShape = z.object({
  taskId: z.string(),
  /** Ids of its buttons that we offer. */
  buttons: z.array(z.string()).optional(),
  /** The proxy reports no buttons, and the result is a grid. */
  changes: z.literal(true).optional(),
})
type Finished = z.infer<typeof finishedShape>

const patterns: readonly (readonly [RegExp, Act])[] = [
  [/^MJ::JOB::upsample::(\d)::/, 'upscale'],
  [/^MJ::JOB::variation::(\d)::/, 'vary'],
  // below an upscaled picture
  [/^MJ::JOB::high_variation::(1)::/, 'vary'],
  [/^MJ::JOB::reroll::/, 'reroll'],
  [/^MJ::Outpaint::50::/, 'zoomout'],
  [/^MJ::Outpaint::75::/, 'zoomoutless'],
  [/^MJ::JOB::pan_left::/, 'panleft'],
  [/^MJ::JOB::pan_right::/, 'panright'],
  [/^MJ::JOB::pan_up::/, 'panup'],
  [/^MJ::JOB::pan_down::/, 'pandown'],
]

/** What to keep of a finished task, so that it can be continued. */
export function finishedOf({ buttons }: MidjourneyTask, { isGrid }: { isGrid: boolean }): Omit<Finished, 'taskId'> {
  if (!buttons) return isGrid ? { changes: true } : {}
  return { buttons: buttons.flatMap(({ customId }) => (actOf(customId) ? [customId] : [])) }
}

export function continuationsOf({ taskId, buttons = [], changes }: Finished): Continuation[] {
  const own = buttons.flatMap((customId) => {
    const act = actOf(customId)
    return act ? [{ ...act, input: { taskId, customId } }] : []
  })
  return changes ? changesOf(taskId) : own
}

function actOf(customId: string): Omit<Continuation, 'input'> | undefined {
  for (const [pattern, act] of patterns) {
    const [whole, picture] = pattern.exec(customId) ?? []
    if (whole !== undefined) return picture === undefined ? { act } : { act, picture: Number(picture) }
  }
  return undefined
}

const changesOf = (taskId: string): Continuation[] => [
  { act: 'reroll', input: { taskId, action: 'REROLL' } },
  ...[1, 2, 3, 4].flatMap((index): Continuation[] => [
    { act: 'upscale', picture: index, input: { taskId, action: 'UPSCALE', index } },
    { act: 'vary', picture: index, input: { taskId, action: 'VARIATION', index } },
  ]),
]
