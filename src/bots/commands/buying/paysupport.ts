/**
 * `/paysupport` lists the person's payments, and `/paysupport <words>` sends the words to the administrators with that list. Telegram
 * requires it of bots that sell something.
 */
import { accountIfAny } from '../../../core/accounts/accounts.ts'
import { starsCurrency } from '../../../core/billing/packages.ts'
import { lastPayments, type PastPayment } from '../../../core/billing/payments.ts'
import { reachableAdmins, tellAdmin } from '../../../core/chats/admins.ts'
import { createChatPace } from '../../../core/chats/pace.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import type { Call, Reply } from '../../../core/ports/chat.ts'
import { shorten, utcText } from '../../../core/text.ts'
import { type Words, wordsFor } from '../../../locales/index.ts'
import { defineCommand } from '../../command.ts'

const shownPayments = 5
const longestMessage = 1_000
/** Administrators get one message a minute from a person. */
const pace = [{ calls: 1, ms: 60_000 }]

export const paysupportCommand = defineCommand({
  name: 'paysupport',
  needs: 'everyone',
  surfaces: ['telegram'],
  audience: 'private',
  options: { message: { type: 'text', rest: true } },
  async run({ core, call, words, values: { message } }) {
    const userId = await accountIfAny(core, call.from)
    const payments = userId === undefined ? [] : await lastPayments(core, userId, shownPayments)
    const text =
      message === undefined
        ? overview(core, call, words, payments)
        : await forward(core, call, { message, payments, words, sender: userId ?? call.from.id })
    const content = { kind: 'text', text } as const
    return { locale: call.locale, state: 'info', content, private: true, confidential: true }
  },
})

const linesOf = ({ shop }: Words, payments: readonly PastPayment[]) =>
  payments.map(({ charge, credits, amount, currency, paidAt, refundedAt }) =>
    shop.payment({
      charge,
      credits,
      stars: currency === starsCurrency ? amount : undefined,
      when: utcText(paidAt),
      isRefunded: refundedAt !== null,
    }),
  )

function overview(core: Core, { surface }: Call, words: Words, payments: readonly PastPayment[]): string {
  const hasAdmins = reachableAdmins(core, surface).length > 0
  return words.shop.support({ payments: linesOf(words, payments), hasAdmins })
}

interface Forwarded {
  message: string
  payments: readonly PastPayment[]
  words: Words
  /** What the pace is counted for. */
  sender: string
}

/** Resolves to the answer for the person. Throws AppError chat_unavailable if no administrator could be written to. */
async function forward(core: Core, call: Call, { message, payments, words, sender }: Forwarded): Promise<string> {
  const admins = reachableAdmins(core, call.surface)
  if (admins.length === 0) return words.shop.noAdmins
  if (!(await createChatPace(core.database).takeRoom(`paysupport ${sender}`, pace))) return words.shop.supportPace
  const { id, name, handle } = call.from
  const write = (locale: string): Reply => {
    const theirs = wordsFor(locale)
    const text = theirs.shop.asked({
      person: `${name} · ${handle === undefined ? '' : `@${handle} · `}${id}`,
      message: shorten(message, longestMessage),
      payments: linesOf(theirs, payments),
    })
    return { locale, state: 'info', content: { kind: 'text', text } }
  }
  const letter = { about: `paysupport ${call.key}`, locale: call.locale, write }
  const sent = await Promise.allSettled(admins.map((admin) => tellAdmin(core, admin, letter)))
  if (!sent.some(({ status }) => status === 'fulfilled')) throw new AppError('chat_unavailable')
  return words.shop.supportSent
}
