/** DashScope's tasks, with its status names and time format. */
import { randomUUID } from 'node:crypto'
import type { DashscopePlan, ProtocolName } from './models.ts'

export type TaskStatus = 'PENDING' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELED'

export interface Outcome {
  urls: string[]
  /** Errors of the pictures that failed. */
  faults: { code: string; message: string }[]
}

export interface DashscopeTask {
  id: string
  plan: DashscopePlan
  protocol: ProtocolName
  submittedAt: number
  canceled: boolean
  outcome: Outcome
}

export interface Tasks {
  add(plan: DashscopePlan, protocol: ProtocolName, outcome: Outcome): DashscopeTask
  /** undefined: unknown, or forgotten after 24 hours. */
  get(id: string): DashscopeTask | undefined
  status(task: DashscopeTask): TaskStatus
  all(): DashscopeTask[]
  /** While set, no task gets beyond this status. */
  hold: 'PENDING' | 'RUNNING' | undefined
  expire(): void
}

export function createTasks(workMs: number): Tasks {
  const kept = new Map<string, DashscopeTask>()
  const tasks: Tasks = {
    hold: undefined,
    add(plan, protocol, outcome) {
      const task = { id: randomUUID(), plan, protocol, outcome, submittedAt: Date.now(), canceled: false }
      kept.set(task.id, task)
      return task
    },
    get: (id) => kept.get(id),
    status({ submittedAt, canceled, outcome }) {
      if (canceled) return 'CANCELED'
      const elapsed = Date.now() - submittedAt
      if (tasks.hold === 'PENDING' || elapsed < workMs / 4) return 'PENDING'
      if (tasks.hold === 'RUNNING' || elapsed < workMs) return 'RUNNING'
      return outcome.urls.length === 0 ? 'FAILED' : 'SUCCEEDED'
    },
    all: () => [...kept.values()],
    expire: () => kept.clear(),
  }
  return tasks
}

const time = (at: number) => new Date(at).toISOString().replace('T', ' ').replace('Z', '')

/** The `output` of a task, in the form of its protocol. */
export function outputOf(task: DashscopeTask, status: TaskStatus): object {
  const { id, submittedAt, outcome, protocol } = task
  const output = { task_id: id, task_status: status, submit_time: time(submittedAt) }
  if (status === 'PENDING') return output
  if (status === 'RUNNING') return { ...output, scheduled_time: time(submittedAt) }
  const ended = { ...output, scheduled_time: time(submittedAt), end_time: time(Date.now()) }
  if (status === 'CANCELED') return ended
  const metrics = {
    TOTAL: outcome.urls.length + outcome.faults.length,
    SUCCEEDED: outcome.urls.length,
    FAILED: outcome.faults.length,
  }
  if (status === 'FAILED') return { ...ended, ...outcome.faults[0], task_metrics: metrics }
  if (protocol !== 'text2image') return { ...ended, choices: choicesOf(outcome.urls, 'image'), finished: true }
  const results = [...outcome.urls.map((url) => ({ orig_prompt: task.plan.prompt, url })), ...outcome.faults]
  return { ...ended, results, task_metrics: metrics }
}

/** Wan adds a `type` to each item, Qwen does not. */
export function choicesOf(urls: string[], type?: 'image'): object[] {
  return urls.map((image) => ({
    finish_reason: 'stop',
    message: { role: 'assistant', content: [{ image, ...(type && { type }) }] },
  }))
}
