/** What `/privacy` and its buttons answer. */
import { accountIfAny, readAccount } from '../../core/accounts/accounts.ts'
import { button } from '../../core/chats/buttons.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import type { Call } from '../../core/ports/chat.ts'
import { confirmationFor, confirmationMinutes } from '../../core/privacy/confirmation.ts'
import { createExportLink, exportHours } from '../../core/privacy/export-links.ts'
import { wordsFor } from '../../locales/index.ts'
import type { Answer } from '../command.ts'

/** Any person may press the buttons. They act on the account of that person. */
const ownRef = 'own'

export function aboutReply(core: Core, { locale }: Pick<Call, 'locale'>): Answer {
  const { privacy } = wordsFor(locale)
  const buttons = [[button('exportdata', ownRef), button('closeaccount', ownRef, { style: 'danger' })]]
  return { ...said(locale, privacy.about({ days: core.limits.pictureDays })), buttons }
}

/** The link opens everything, so only the person may see it. Throws AppError privately_only where the answer would be stored. */
export async function exportReply(core: Core, call: Call): Promise<Answer> {
  const { locale, place, isPrivate, key } = call
  const { privacy } = wordsFor(locale)
  if (!isPrivate && !place.group) throw new AppError('privately_only')
  const userId = await accountIfAny(core, call.from)
  if (userId === undefined) return said(locale, privacy.nothing)
  const link = await createExportLink(core, userId, key)
  return { ...said(locale, privacy.link(link, exportHours)), confidential: true, secrets: [link] }
}

/** Asks before the account is deleted. */
export async function sureReply(core: Core, { locale, from }: Call): Promise<Answer> {
  const { privacy } = wordsFor(locale)
  const userId = await accountIfAny(core, from)
  if (userId === undefined) return said(locale, privacy.nothing)
  const { balance } = await readAccount(core, userId)
  const buttons = [
    [button('closeforgood', confirmationFor(core, userId), { style: 'danger' }), button('keepaccount', ownRef)],
  ]
  return { ...said(locale, privacy.sure({ balance, minutes: confirmationMinutes })), buttons }
}

export function said(locale: Call['locale'], text: string): Answer {
  return { locale, state: 'info', content: { kind: 'text', text }, private: true }
}
