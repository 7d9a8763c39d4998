/** `/history [page] [--model x] [--state done] [--favourites]`. */
import { accountOf } from '../../core/accounts/accounts.ts'
import { historyStates, lastPage, startOf } from '../../core/history/history.ts'
import { listed, namedModel } from '../../core/request/choose-model.ts'
import { defineCommand } from '../command.ts'
import { historyReply } from '../lists/history.ts'

export const historyCommand = defineCommand({
  name: 'history',
  needs: 'everyone',
  privateOnly: true,
  audience: 'private',
  options: {
    page: { type: 'integer', min: 1, max: lastPage },
    model: { type: 'choice', flag: true, choices: (models) => listed(models).map(({ id }) => id) },
    state: { type: 'choice', flag: true, choices: historyStates },
    favourites: { type: 'switch', flag: true },
  },
  async run({ core, call, values: { page = 1, model: name, state, favourites } }) {
    const model = name === undefined ? undefined : namedModel(core.models.all(), name).id
    const filter = { model, state: historyStates.find((each) => each === state), favourites }
    const from = page === 1 ? undefined : await startOf(core, await accountOf(core, call.from), { filter, page })
    return historyReply(core, call, { filter, from })
  },
})
