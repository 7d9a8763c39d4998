/** The status as server-sent events: one at once, then one for each change or new log line until the request ends. */
import type { ServerResponse } from 'node:http'
import type { Received, Sent } from '../server.ts'
import type { Job, Jobs } from './jobs.ts'

type Lines = ReturnType<Jobs['logs']>

interface StreamOptions {
  received: Received
  res: ServerResponse
  /** Returns the log lines from the nth. */
  read(from: number): Lines
  statusOf(job: Job, logs?: Lines | null): object
  withLogs: boolean
}

export function sendStatuses(job: Job, { received, res, read, statusOf, withLogs }: StreamOptions): Sent | 'streamed' {
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }
  const event = (logs: Lines | null) => `data: ${JSON.stringify(statusOf(job, logs))}\n\n`
  // faults can only spoil responses that are sent in one piece
  if (received.fault) return { status: 200, headers, body: event(withLogs ? read(0) : null) }

  let sentLines = 0
  let last = ''
  const tick = setInterval(send, Math.max(20, job.workMs / job.steps))

  function send(): void {
    const logs = read(sentLines)
    sentLines += logs.length
    const text = event(withLogs ? logs : null)
    if (text !== last) res.write(text)
    last = text
    if (job.state === 'COMPLETED') end()
  }

  function end(): void {
    clearInterval(tick)
    job.watchers.delete(send)
    res.end()
  }

  received.status = 200
  res.writeHead(200, headers)
  job.watchers.add(send)
  res.once('close', end)
  send()
  return 'streamed'
}
