/** `/buy` shows the packages of credits, `/buy small` and `/buy 1` send the invoice of one. Links to an invoice come here as well. */

import { offerPackages } from '../../buying/packages.ts'
import { defineCommand } from '../../command.ts'

export const buyCommand = defineCommand({
  name: 'buy',
  needs: 'everyone',
  surfaces: ['telegram'],
  audience: 'private',
  options: { package: { type: 'text' } },
  run: ({ core, call, words, values }) => offerPackages({ core, call, words }, values.package),
})
