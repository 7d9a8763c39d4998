/**
 * `/settings`, `/settings ratio 16:9 count 2`, `/settings ratio default`, and `/settings ratio 16:9 here` for a group: the defaults
 * of requests and answers.
 */
import type { SettingName } from '../../../core/accounts/settings.ts'
import { defineCommand, type OptionSpec } from '../../command.ts'
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
  needs: ({ here }) => (here ? 'manager' : 'everyone'),
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
    here: { type: 'switch', named: true },
  },
  async run({ core, call, settings, values: { here, ratio, ...others } }) {
    const whose = here ? 'here' : 'own'
    const written = { ...others, aspect: ratio }
    const isChange = Object.values(written).some((value) => value !== undefined)
    return isChange ? changeSettings({ core, call, whose }, written) : settingsReply({ core, call, settings, whose })
  },
})
