/** Every command, in the order in which people see them. Adding one: a file here and a line below. */
import type { AnyCommand } from '../command.ts'
import { apikeyCommand } from './account/apikey.ts'
import { creditsCommand } from './account/credits.ts'
import { dailyCommand } from './account/daily.ts'
import { giftCommand } from './account/gift.ts'
import { linkCommand } from './account/link.ts'
import { panelCommand } from './account/panel.ts'
import { privacyCommand } from './account/privacy.ts'
import { redeemCommand } from './account/redeem.ts'
import { settingsCommand } from './account/settings.ts'
import { unlinkCommand } from './account/unlink.ts'
import { banCommand } from './admin/ban.ts'
import { broadcastCommand } from './admin/broadcast.ts'
import { limitsCommand } from './admin/limits.ts'
import { lookupCommand } from './admin/lookup.ts'
import { modelCommand } from './admin/model.ts'
import { packageCommand } from './admin/package.ts'
import { priceCommand } from './admin/price.ts'
import { refundCommand } from './admin/refund.ts'
import { unbanCommand } from './admin/unban.ts'
import { buyCommand } from './buying/buy.ts'
import { paysupportCommand } from './buying/paysupport.ts'
import { termsCommand } from './buying/terms.ts'
import { cancelCommand } from './cancel.ts'
import { describeCommand } from './describe.ts'
import { editCommand } from './edit.ts'
import { fluxCommand } from './flux.ts'
import { helpCommand } from './help.ts'
import { historyCommand } from './history.ts'
import { modelsCommand } from './models.ts'
import { queueCommand } from './queue.ts'
import { serverCommand } from './server/server.ts'
import { showCommand } from './show.ts'
import { upscaleCommand } from './upscale.ts'

export const allCommands: readonly AnyCommand[] = [
  fluxCommand,
  editCommand,
  upscaleCommand,
  describeCommand,
  showCommand,
  modelsCommand,
  queueCommand,
  cancelCommand,
  creditsCommand,
  buyCommand,
  dailyCommand,
  redeemCommand,
  giftCommand,
  historyCommand,
  settingsCommand,
  serverCommand,
  linkCommand,
  unlinkCommand,
  panelCommand,
  privacyCommand,
  termsCommand,
  paysupportCommand,
  lookupCommand,
  banCommand,
  unbanCommand,
  limitsCommand,
  priceCommand,
  modelCommand,
  packageCommand,
  refundCommand,
  broadcastCommand,
  apikeyCommand,
  helpCommand,
]
