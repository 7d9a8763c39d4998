/** Rules that every request passes before it is accepted, on every surface. Adding one: a `Rule` and a line in the list. */
import { accountRule } from '../accounts/limits.ts'
import { groupRule } from '../chats/rules.ts'
import type { Candidate, Core, Rule } from '../core.ts'
import type { AppError } from '../errors.ts'
import { queueRule } from '../history/queue-rule.ts'

export const allRules: readonly Rule[] = [groupRule, accountRule, queueRule]

/** The first reason to refuse. undefined: none. */
export async function refusal(core: Core, candidate: Candidate): Promise<AppError | undefined> {
  for (const rule of core.rules) {
    const error = await rule(core, candidate)
    if (error) return error
  }
  return undefined
}
