/** Every action behind a button. Adding one: a file here and a line below. */
import type { Action } from '../action.ts'
import {
  audienceAction,
  dropBroadcastAction,
  muteAction,
  pauseAction,
  resumeAction,
  sendBroadcastAction,
  stopAction,
  unmuteAction,
} from '../broadcast/actions.ts'
import { buyAction } from '../buying/action.ts'
import { continuingActions } from '../continuing/actions.ts'
import { exampleAction } from '../greeting/action.ts'
import { joinAccountsAction } from '../linking/action.ts'
import { inputAction } from '../menus/input.ts'
import { describePhotoAction, editPhotoAction, enlargePhotoAction, varyPhotoAction } from '../photos/actions.ts'
import { editUploadAction } from '../photos/upload.ts'
import { closeAction, closeForGoodAction, exportAction, keepAccountAction } from '../privacy/actions.ts'
import { groupSettingsAction, setAnswersAction, setPicturesAction } from '../settings/actions.ts'
import {
  allowAction,
  allowAllAction,
  allowedAction,
  allowedPageAction,
  forbidAction,
} from '../settings/model-actions.ts'
import { cancelAction } from './cancel.ts'
import { deleteAction, eraseAction, keepAction } from './delete.ts'
import { describeAction } from './describe.ts'
import { drawAction, editDraftAction, useEnhancedAction, useOwnAction } from './drafts.ts'
import { editAction } from './edit.ts'
import { getResultAction, newerAction, olderAction, resendAction, showAction } from './history.ts'
import { modelsAction, preferAction } from './models.ts'
import { originalAction } from './original.ts'
import { dropAction, queueAction } from './queue.ts'
import { downAction, favouriteAction, upAction } from './reactions.ts'
import { remixAction } from './remix.ts'
import { reportAction } from './report.ts'
import { rerollAction } from './reroll.ts'
import { upscaleAction } from './upscale.ts'
import { varyAction } from './vary.ts'

export const allActions: readonly Action[] = [
  cancelAction,
  queueAction,
  dropAction,
  modelsAction,
  preferAction,
  rerollAction,
  varyAction,
  editAction,
  remixAction,
  upscaleAction,
  ...continuingActions,
  describeAction,
  originalAction,
  favouriteAction,
  upAction,
  downAction,
  reportAction,
  deleteAction,
  eraseAction,
  keepAction,
  showAction,
  resendAction,
  olderAction,
  newerAction,
  getResultAction,
  useEnhancedAction,
  useOwnAction,
  drawAction,
  editDraftAction,
  varyPhotoAction,
  editPhotoAction,
  enlargePhotoAction,
  describePhotoAction,
  exampleAction,
  setPicturesAction,
  setAnswersAction,
  groupSettingsAction,
  allowedAction,
  allowedPageAction,
  allowAction,
  forbidAction,
  allowAllAction,
  exportAction,
  closeAction,
  closeForGoodAction,
  keepAccountAction,
  joinAccountsAction,
  buyAction,
  inputAction,
  editUploadAction,
  audienceAction,
  sendBroadcastAction,
  dropBroadcastAction,
  pauseAction,
  resumeAction,
  stopAction,
  muteAction,
  unmuteAction,
]
