/** What a reply says, in no language yet. */
import type { ErrorData, ErrorKind } from '../errors.ts'
import type { Note } from './models.ts'

/** What a reply says. The words are chosen by the surface, in the person's language. */
export type Content =
  /** An answer of a command, in the person's language already. */
  | { kind: 'text'; text: string }
  /**
   * In the queue. `place` from 1; `at`: the provider in whose own queue it waits; `seconds`: estimate of the time until the
   * pictures are there. Absent: unknown.
   */
  | { kind: 'queued'; prompt: string; place?: number; at?: string; seconds?: number }
  /** `seconds`: estimate of the time left. Absent: unknown. */
  | { kind: 'drawing'; prompt: string; percent?: number; seconds?: number }
  | { kind: 'finishing' }
  | ({ kind: 'result' } & Result)
  | { kind: 'failure'; prompt: string; error: ErrorKind; data: ErrorData; refunded: number }
  | ({ kind: 'report' } & Report)
  /** A refusal, before anything was accepted. */
  | { kind: 'refusal'; error: ErrorKind; data: ErrorData }

/** A report of a result, for administrators. */
export interface Report {
  /** Id of the request. */
  id: string
  /** Name and identities. Absent: the account was deleted. */
  reporter?: string
  /** '' if none was given. */
  reason: string
  /** People who have reported the result. */
  people: number
  /** The result is for its owner alone. */
  private: boolean
}

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
  /** A mask marked the area that was drawn. */
  masked?: boolean
  /** By how much the picture grew: 'left:256'. */
  grown?: string
  /** The LoRAs that it was drawn with, for people: 'pixel:0.8'. */
  loras?: readonly string[]
  seconds: number
  credits: number
  /** Credits that the person has left. Absent: the result is shown again. */
  left?: number
  /** The pool of the group paid for it. */
  byPool?: boolean
  notes: readonly Note[]
}
