/** How long a request may take, from its acceptance to its deadline. */
import type { Core } from '../core.ts'
import { configRanges } from './configs.ts'

/** In the lane of a provider: the usual time, or longer where the provider may draw for longer. */
export function deadlineMsIn({ limits, providers }: Pick<Core, 'limits' | 'providers'>, lane: string): number {
  const timeoutMs = providers.get(lane)?.settings.timeoutMs ?? 0
  return Math.max(limits.deadlineMs, timeoutMs + limits.afterTimeoutMs)
}

/** In any lane, by any timeout that can be set: timeouts may have been longer when a request was accepted. */
export const longestDeadlineMs = ({ limits }: Pick<Core, 'limits'>): number =>
  Math.max(limits.deadlineMs, configRanges.timeout.max * 1000 + limits.afterTimeoutMs)
