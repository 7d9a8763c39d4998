/** The rules of a server, for the people who manage it. */
import { readSettings } from '../../../core/accounts/settings.ts'
import { poolOf } from '../../../core/billing/pool.ts'
import type { Core } from '../../../core/core.ts'
import type { Call } from '../../../core/ports/chat.ts'
import { wordsFor } from '../../../locales/index.ts'
import type { Answer } from '../../command.ts'

/** `saved`: after a change. */
export async function rulesReply(core: Core, call: Call, saved: boolean): Promise<Answer> {
  const { chat, rules } = await readSettings(core, call)
  const { server: texts, settings } = wordsFor(call.locale)
  const { surface, place, from } = call
  const pool = await poolOf(core, { surface, place, member: from.id })
  const links = (wanted: boolean) =>
    Object.entries(rules.channels).flatMap(([id, works]) =>
      works === wanted ? [core.surfaces.get(surface)?.channelLink?.(place.group?.id ?? '', id) ?? id] : [],
    )
  const onOff = (value: boolean) => settings.values[value ? 'on' : 'off']
  const text = [
    ...(saved ? [settings.saved] : []),
    texts.title,
    texts.channels({ only: links(true), except: links(false) }),
    texts.models(rules.models),
    texts.defaults({ model: chat.model ?? settings.values.default, ratio: chat.aspect ?? settings.values.default }),
    texts.private(onOff(chat.private ?? false)),
    texts.nsfw(onOff(rules.nsfw)),
    ...Object.values(rules.roles).map(texts.role),
    ...(pool && (pool.id !== null || pool.cap > 0) ? [texts.pool(pool)] : []),
  ].join('\n')
  return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
}
