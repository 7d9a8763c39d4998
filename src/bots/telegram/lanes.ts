/** Runs tasks side by side, but one lane's in order: who is slow holds up nobody else. */

export interface Lanes {
  add(lane: string, task: () => Promise<void>): void
  /** Tasks waiting or running. */
  size(): number
  /** Forgets what has not begun; resolves when what has is over, or after `graceMs`. */
  close(graceMs: number): Promise<void>
}

/** `limit`: tasks at one time. Tasks do not reject. */
export function createLanes(limit: number): Lanes {
  const lanes = new Map<string, (() => Promise<void>)[]>()
  /** Lanes with something to do and nothing running, the longest waiting first. */
  const idle: string[] = []
  let running = 0
  let waiting = 0
  let closed = false
  let onQuiet = () => {}

  function pump() {
    while (!closed && running < limit) {
      const lane = idle.shift()
      if (lane === undefined) return
      const task = lanes.get(lane)?.shift()
      if (!task) continue
      running += 1
      waiting -= 1
      void task().finally(() => over(lane))
    }
  }

  function over(lane: string) {
    running -= 1
    if (lanes.get(lane)?.length) idle.push(lane)
    else lanes.delete(lane)
    if (running === 0) onQuiet()
    pump()
  }

  return {
    add(lane, task) {
      if (closed) return
      waiting += 1
      const queue = lanes.get(lane)
      if (queue) queue.push(task)
      else {
        lanes.set(lane, [task])
        idle.push(lane)
      }
      pump()
    },
    size: () => waiting + running,
    async close(graceMs) {
      closed = true
      if (running === 0) return
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs)
        onQuiet = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    },
  }
}
