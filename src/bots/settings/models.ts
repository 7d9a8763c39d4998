/** Which models may draw in a group, on the surfaces where that is one of its settings: pages of the models, each with a button. */
import { readSettings } from '../../core/accounts/settings.ts'
import { button } from '../../core/chats/buttons.ts'
import type { Core } from '../../core/core.ts'
import type { Button, Call } from '../../core/ports/chat.ts'
import { drawing } from '../../core/request/choose-model.ts'
import { wordsFor } from '../../locales/index.ts'
import type { Answer } from '../command.ts'
import { pageOf } from '../lists/pages.ts'

/** On Discord, `/server models` sets them. */
export const modelSurfaces: readonly string[] = ['telegram']
export const setsModels = ({ surface, place }: Call): boolean =>
  place.group !== undefined && modelSurfaces.includes(surface)

const perPage = 8
const perRow = 2

/** `page`: its number, from 1, or the id of a model on it. */
export async function groupModelsReply(core: Core, call: Call, page: number | string): Promise<Answer> {
  const { rules } = await readSettings(core, call)
  const words = wordsFor(call.locale)
  const shown = pageOf({
    items: drawing(core.models.all()),
    textOf: ({ title }) => title,
    perPage,
    page: typeof page === 'number' ? page : ({ id }) => id === page,
    action: 'allowedpage',
  })
  const choices = shown.items.map(({ id, title }): Button => {
    const draws = rules.models?.includes(id) ?? true
    return { ...button(draws ? 'forbid' : 'allow', id), title }
  })
  const rows = Array.from({ length: Math.ceil(choices.length / perRow) }, (_, row) =>
    choices.slice(row * perRow, (row + 1) * perRow),
  )
  const others = [...(rules.models === null ? [] : [button('allowall', 'here')]), button('groupsettings', 'here')]
  const text = [
    words.settings.modelsTitle(shown.number),
    words.server.models(rules.models),
    '',
    words.settings.modelsHint,
  ]
  return {
    locale: call.locale,
    state: 'info',
    content: { kind: 'text', text: text.join('\n') },
    buttons: [...rows, shown.buttons, others].filter((row) => row.length > 0),
    private: true,
    inPlace: true,
  }
}
