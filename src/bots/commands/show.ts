/** `/show id`: shows a result of the person again, with its buttons. */
import { ownResult } from '../../core/results/own.ts'
import { showAgain } from '../../core/results/show.ts'
import { defineCommand } from '../command.ts'

export const showCommand = defineCommand({
  name: 'show',
  needs: 'everyone',
  audience: 'public',
  options: { id: { type: 'text', required: true } },
  async run({ core, call, values }) {
    const result = await ownResult(core, call.from, values.id)
    return { ...(await showAgain(core, call, result)), shows: result.id, confidential: result.private }
  },
})
