/** Read-only view of an interaction, for tests. */
import type { LiveInteraction } from './interactions.ts'
import { type StoredMessage, snapshot } from './messages.ts'
import type { Interaction, Message } from './types.ts'

const DEFAULT_TIMEOUT_MS = 60_000

export function handleOf(live: LiveInteraction): Interaction {
  const visible = (message: StoredMessage | undefined) => (message && !message.deleted ? snapshot(message) : undefined)
  const reply = () => visible(live.original)
  const followUps = () => live.followUps.filter(({ deleted }) => !deleted).map(snapshot)
  const accepted = (message: Message | undefined, predicate: (message: Message) => boolean) =>
    message && !message.thinking && predicate(message) ? message : undefined

  return {
    id: live.id,
    token: live.token,
    payload: live.payload,
    get deliveredTo() {
      return live.deliveredTo
    },
    get acknowledgedMs() {
      return live.acknowledgedMs
    },
    get acknowledgedWith() {
      return live.acknowledgedWith
    },
    get choices() {
      return live.choices
    },
    get modal() {
      return live.modal
    },
    waitForAck: (timeoutMs = DEFAULT_TIMEOUT_MS) =>
      live.changes.until(
        () => live.acknowledgedMs,
        timeoutMs,
        () => timeoutText(live, 'acknowledgement', timeoutMs),
      ),
    waitForReply: (predicate = () => true, timeoutMs = DEFAULT_TIMEOUT_MS) =>
      live.changes.until(
        () => accepted(reply(), predicate),
        timeoutMs,
        () => timeoutText(live, 'reply', timeoutMs),
      ),
    waitForFollowUp: (predicate = () => true, timeoutMs = DEFAULT_TIMEOUT_MS) =>
      live.changes.until(
        () => followUps().find((message) => accepted(message, predicate)),
        timeoutMs,
        () => timeoutText(live, 'follow-up', timeoutMs),
      ),
    reply,
    followUps,
  }
}

function timeoutText(live: LiveInteraction, awaited: string, timeoutMs: number): string {
  const { original, followUps, acknowledgedWith, deliveredTo, commandName } = live
  const shown = original && (original.deleted ? 'deleted' : original.thinking ? 'thinking' : `"${original.content}"`)
  return [
    `no matching ${awaited} within ${timeoutMs} ms for interaction ${live.id}${commandName ? ` (/${commandName})` : ''}:`,
    `sent to ${deliveredTo} gateway session(s),`,
    acknowledgedWith === undefined ? 'never acknowledged,' : `acknowledged with type ${acknowledgedWith},`,
    `@original ${shown ?? 'never created'}, follow-ups ${JSON.stringify(followUps.map(({ content }) => content))}`,
  ].join(' ')
}
