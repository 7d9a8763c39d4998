/** How announcements look: the preview, the message itself, and how it stands. */
import { type Audience, activeDays, audiences, countAudiences } from '../../core/broadcasts/audience.ts'
import type { Broadcast } from '../../core/broadcasts/broadcasts.ts'
import type { BroadcastLooks } from '../../core/broadcasts/send.ts'
import { button } from '../../core/chats/buttons.ts'
import type { Core } from '../../core/core.ts'
import type { ButtonRows, Call } from '../../core/ports/chat.ts'
import { shorten } from '../../core/text.ts'
import { type Words, wordsFor } from '../../locales/index.ts'
import type { Answer } from '../command.ts'

/** Characters of the text that the status shows. */
const shownLength = 300

/** Each person mutes for themselves. */
const ownRef = 'own'

export async function previewReply(
  core: Core,
  broadcast: Broadcast,
  { locale }: Pick<Call, 'locale'>,
): Promise<Answer> {
  const { id, surface, text, audience: chosen } = broadcast
  const words = wordsFor(locale)
  const counted = await countAudiences(core, surface)
  const lines = counted.map(({ audience, people }, index) =>
    words.broadcasts.audience({
      number: index + 1,
      name: nameOf(words, audience),
      people,
      chosen: audience === chosen,
    }),
  )
  const buttons = [
    audiences.map((_, index) => button('audience', id, { number: index + 1 })),
    [button('broadcast', id, { style: 'primary' }), button('dropbroadcast', id)],
  ]
  const content = { kind: 'text', text: words.broadcasts.preview(text, lines) } as const
  return { locale, state: 'asking', content, buttons, private: true }
}

export const broadcastLooks: BroadcastLooks = {
  announcement: ({ text }, locale) => ({
    locale,
    state: 'info',
    content: { kind: 'text', text },
    buttons: [[button('mute', ownRef)]],
  }),
  status(broadcast, { counts, unclear }) {
    const { locale, text, audience } = broadcast
    const words = wordsFor(locale)
    const { sent = 0, blocked = 0, gone = 0, failed = 0, unknown = 0, skipped = 0, waiting = 0, sending = 0 } = counts
    const status = words.broadcasts.status({
      title: words.broadcasts.states[broadcast.state],
      audience: nameOf(words, audience),
      text: shorten(text, shownLength),
      sent,
      blocked: blocked + gone,
      failed,
      unclear: { people: unknown, named: unclear },
      skipped,
      left: waiting + sending,
    })
    return { locale, state: 'info', content: { kind: 'text', text: status }, buttons: controlsOf(broadcast) }
  },
}

/** undefined: it has ended. */
function controlsOf({ id, state }: Broadcast): ButtonRows | undefined {
  if (state === 'running') return [[button('pause', id), button('stop', id, { style: 'danger' })]]
  if (state === 'paused') return [[button('resume', id), button('stop', id, { style: 'danger' })]]
  return undefined
}

function nameOf({ broadcasts, settings }: Words, audience: Audience): string {
  if (audience === 'everyone') return broadcasts.everyone
  return audience === 'active' ? broadcasts.active(activeDays) : (settings.languages[audience] ?? audience)
}

export const muteButtons = (isMuted: boolean): ButtonRows => [[button(isMuted ? 'unmute' : 'mute', ownRef)]]
