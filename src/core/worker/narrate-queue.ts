/** Shows people who wait their place in the queue. In each round, one process serves a lane for all processes. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../../db/columns.ts'
import { servedLanes } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { showCancelled } from '../generation/cancel.ts'
import { endPlaceEdit, type PlaceEdit, takePlaceEdits } from '../generation/place-edits.ts'
import { queuedContent, waitingReply } from '../generation/replies.ts'
import { secondsInQueue } from '../history/estimate.ts'

const everyMs = 1_000
/** A little less, so that a timer that fires early does not miss its round. */
const laneEvery = '0.9 seconds'

export interface QueueNarrator {
  stop(): Promise<void>
}

/** Has a timer of its own, because the sweeper must not wait for chats. */
export function keepNarratingQueue(core: Core): QueueNarrator {
  let round: Promise<void> | undefined
  const timer = setInterval(() => {
    round ??= narrateQueue(core)
      .catch((error: unknown) => core.log.warn({ err: error }, 'could not show places in the queue; retrying'))
      .finally(() => {
        round = undefined
      })
  }, everyMs)
  return {
    stop: async () => {
      clearInterval(timer)
      await round
    },
  }
}

const laneColumns = columnsOf({ lane: servedLanes.lane }, '')

async function narrateQueue(core: Core): Promise<void> {
  const ours = await readRows(
    core.database,
    laneColumns,
    (list) => sql`
      update served_lanes set narrated_at = now() where narrated_at < now() - ${laneEvery}::interval returning ${list}`,
  )
  await Promise.all(ours.map(({ lane }) => narrateLane(core, lane)))
}

async function narrateLane(core: Core, lane: string): Promise<void> {
  const edits = await takePlaceEdits(core, lane)
  await Promise.all(edits.map((edit) => showPlace(core, edit)))
}

async function showPlace(core: Core, edit: PlaceEdit): Promise<void> {
  const { id, place } = edit
  const isShown = await tryToShow(core, edit)
  const state = await endPlaceEdit(core, id, isShown ? place : undefined)
  // our edit may have followed the one that showed the cancellation
  if (state === 'cancelled' && isShown) await showCancelled(core, edit)
}

async function tryToShow(core: Core, edit: PlaceEdit): Promise<boolean> {
  const { id, surface: name, posted, place } = edit
  const surface = core.surfaces.get(name)
  try {
    const seconds = await secondsInQueue(core, edit, place)
    if (!surface || (await surface.takeRoom?.(posted)) === false) return false
    await surface.edit(posted, waitingReply(edit, queuedContent(edit, { place, seconds })))
    return true
  } catch (error) {
    core.log.debug({ id, err: error }, 'could not show a place in the queue')
    return false
  }
}
