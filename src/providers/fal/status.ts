/** What fal says about a request under way. There is no "failed": whatever went wrong shows in the result. */
import { z } from 'zod'

const entry = z.looseObject({ message: z.string().catch('') })

export const statusShape = z.looseObject({
  status: z.string(),
  queue_position: z.number().nullish().catch(undefined),
  logs: z.array(entry).nullish().catch(undefined),
  metrics: z.looseObject({ inference_time: z.number() }).optional().catch(undefined),
  error: z.string().nullish().catch(undefined),
  error_type: z.string().nullish().catch(undefined),
})
export type Status = z.infer<typeof statusShape>

/** A progress bar in a log line. */
export interface Bar {
  percent: number
  /** What is left of it, by its own reckoning. */
  leftMs?: number
}

const barLine = /(\d{1,3})%\|[^|]*\|\s*(\d+)\/(\d+)(?:\s*\[[^\],]*,\s*([\d.]+)(it\/s|s\/it))?/

export function isDone({ status }: Status): boolean {
  return status === 'COMPLETED'
}

/** From 1. */
export function positionOf({ status, queue_position: place }: Status): number | undefined {
  return status === 'IN_QUEUE' && typeof place === 'number' ? place + 1 : undefined
}

/** The last bar in the logs; models write one line for each step. */
export function barOf({ logs }: Status): Bar | undefined {
  for (const { message } of [...(logs ?? [])].reverse()) {
    const bar = readBar(message)
    if (bar) return bar
  }
  return undefined
}

function readBar(line: string): Bar | undefined {
  const [, percent, done, total, speed, unit] = barLine.exec(line) ?? []
  if (percent === undefined || Number(percent) > 100) return undefined
  const stepMs = unit === 's/it' ? Number(speed) * 1000 : 1000 / Number(speed)
  // on average a line is half a step old when it is read
  const steps = Math.max(0, Number(total) - Number(done) - 0.5)
  return { percent: Number(percent), leftMs: Number.isFinite(stepMs) ? steps * stepMs : undefined }
}
