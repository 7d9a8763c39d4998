/** `/models [page]`. */
import { defineCommand } from '../command.ts'
import { modelsReply } from '../lists/models.ts'

export const modelsCommand = defineCommand({
  name: 'models',
  needs: 'everyone',
  audience: 'private',
  options: { page: { type: 'integer', min: 1, max: 100 } },
  run: async ({ core, call: { locale }, settings: { chosen }, values: { page = 1 } }) =>
    modelsReply(core, { page, locale, chosen }),
})
