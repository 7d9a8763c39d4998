/** Buttons of announcements. Administrators choose the audience, send, pause and stop; each person can mute announcements. */
import { personHolding, saveSettings } from '../../core/accounts/settings.ts'
import { audiences } from '../../core/broadcasts/audience.ts'
import {
  type Change,
  changeBroadcast,
  chooseAudience,
  dropDraft,
  startBroadcast,
} from '../../core/broadcasts/broadcasts.ts'
import { AppError } from '../../core/errors.ts'
import type { Action } from '../action.ts'
import type { Answer } from '../command.ts'
import { muteButtons, previewReply } from './replies.ts'

export const audienceAction: Action = {
  name: 'audience',
  who: 'admin',
  async run({ core, call, values: { ref, number = 1 } }) {
    const audience = audiences[number - 1]
    if (!audience) throw new AppError('unknown_button')
    return { ...(await previewReply(core, await chooseAudience(core, ref, audience), call)), inPlace: true }
  },
}

/** The pressed message becomes the one that shows how it stands: only the process that sends edits it. */
export const sendBroadcastAction: Action = {
  name: 'broadcast',
  who: 'admin',
  async run({ core, call, words, values: { ref } }) {
    await startBroadcast(core, { id: ref, call })
    return notice(call.locale, words.broadcasts.already.running)
  },
}

export const dropBroadcastAction: Action = {
  name: 'dropbroadcast',
  who: 'admin',
  async run({ core, call, words, values: { ref } }) {
    await dropDraft(core, ref)
    return { ...notice(call.locale, words.broadcasts.dropped), brief: false, inPlace: true }
  },
}

export const pauseAction = changing('pause')
export const resumeAction = changing('resume')
export const stopAction = changing('stop')

function changing(name: Change): Action {
  return {
    name,
    who: 'admin',
    async run({ core, call, words, values: { ref } }) {
      const { state } = await changeBroadcast(core, name, { id: ref, call })
      return notice(call.locale, state === 'draft' ? words.broadcasts.dropped : words.broadcasts.already[state])
    },
  }
}

export const muteAction = setting('mute')
export const unmuteAction = setting('unmute')

function setting(name: 'mute' | 'unmute'): Action {
  const isMuted = name === 'mute'
  return {
    name,
    who: 'everyone',
    async run({ core, call, words }) {
      await saveSettings(core, await personHolding(core, call), { announcements: !isMuted })
      const text = isMuted ? words.broadcasts.muted : words.broadcasts.unmuted
      return { ...notice(call.locale, text), brief: false, newButtons: muteButtons(isMuted) }
    },
  }
}

const notice = (locale: string, text: string): Answer => ({
  locale,
  state: 'info',
  content: { kind: 'text', text },
  private: true,
  brief: true,
})
