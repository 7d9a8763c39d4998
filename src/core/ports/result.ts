/** What a reply says about a finished request. */
import type { Note } from './models.ts'

/** Sizes in pixels. */
export interface Result {
  /** Short ids of the request, and of the one whose result it started from. */
  id: string
  parent?: string
  prompt: string
  /** The prompt that was submitted, where it is not the person's own, and the model that wrote it. */
  enhanced?: string
  enhancedBy?: string
  model: string
  servedBy: string
  width: number
  height: number
  seed?: string
  seconds: number
  credits: number
  /** Credits that the person who paid has left. Absent: the result is shown again. */
  left?: number
  notes: readonly Note[]
}
