/**
 * `/settings`, `/settings ratio 16:9 count 2`, `/settings ratio default`, and `/settings ratio 16:9 here` for a group: the defaults
 * of requests and answers. `/settings models a,b` limits the models of a group.
 */
import type { SettingName } from '../../../core/accounts/settings.ts'
import { managesGroup } from '../../../core/chats/managers.ts'
import type { Core } from '../../../core/core.ts'
import type { Call } from '../../../core/ports/chat.ts'
import { defineCommand, type OptionSpec } from '../../command.ts'
import { modelSurfaces } from '../../settings/models.ts'
import { changeSettings, settingsReply } from '../../settings/reply.ts'
import { byDefault, possible } from '../../settings/values.ts'

const setting = (name: SettingName) =>
  ({
    type: 'choice',
    named: true,
    choices: (models) => [byDefault, ...possible[name](models)],
  }) as const satisfies OptionSpec

export const settingsCommand = defineCommand({
  name: 'settings',
  needs: ({ here, models }) => (here || models !== undefined ? 'manager' : 'everyone'),
  audience: 'private',
  options: {
    model: setting('model'),
    ratio: setting('aspect'),
    count: setting('count'),
    enhance: setting('enhance'),
    private: setting('private'),
    language: setting('language'),
    original: setting('original'),
    announcements: setting('announcements'),
    models: { type: 'text', named: true, surfaces: modelSurfaces },
    here: { type: 'switch', named: true },
  },
  async run({ core, call, settings, values: { here, ratio, models, ...others } }) {
    // people have no such setting
    const whose = here || models !== undefined ? 'here' : 'own'
    const written = { ...others, aspect: ratio }
    const isChange = Object.values({ ...written, models }).some((value) => value !== undefined)
    if (isChange) return changeSettings({ core, call, whose }, written, models)
    return settingsReply({ core, call, settings, whose }, { offersGroup: !here && (await maySetGroup(core, call)) })
  },
})

/** A platform that does not answer now only leaves the button out. */
async function maySetGroup(core: Core, call: Call): Promise<boolean> {
  if (!call.place.group) return false
  return core.isAdmin(call.from.id) || managesGroup(core, call).catch(() => false)
}
