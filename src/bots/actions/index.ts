/** Every action behind a button. Adding one: a file here and a line below. */
import type { Action } from '../action.ts'
import { cancelAction } from './cancel.ts'
import { editAction } from './edit.ts'

export const allActions: readonly Action[] = [cancelAction, editAction]
