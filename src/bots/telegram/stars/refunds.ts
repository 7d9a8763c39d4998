/** Gives Stars back to the person who paid them. */
import type { Api } from 'grammy'
import { AppError } from '../../../core/errors.ts'
import { splitName } from '../../../core/ids.ts'
import type { Payments } from '../../../core/ports/payments.ts'
import { asChatError, failureOf } from '../bot-api.ts'
import { paymentsIn } from './transactions.ts'

/** The payer of a charge is looked for in this many pages of Telegram's list, oldest first, where the account has no such person any more. */
const maxPages = 100

type Outcome = 'refunded' | 'before' | 'not_theirs'

/** Repeats are harmless: Telegram refunds a charge once. */
export function createRefunds(api: Api): Payments['refund'] {
  async function refundTo(userId: number, charge: string): Promise<Outcome> {
    try {
      await api.refundStarPayment(userId, charge)
      return 'refunded'
    } catch (error) {
      const { code, description = '' } = failureOf(error) ?? {}
      if (description.includes('CHARGE_ALREADY_REFUNDED')) return 'before'
      // others, such as too few Stars in the bot's balance, say nothing about the payer
      if (code === 400 && /CHARGE|USER/.test(description)) return 'not_theirs'
      throw asChatError(error)
    }
  }

  /** After the account was deleted, only Telegram knows who paid. */
  async function payerOf(charge: string): Promise<number | undefined> {
    for (let page = 0, offset = 0; page < maxPages; page++) {
      const { transactions } = await api.getStarTransactions({ offset }).catch((error: unknown) => {
        throw asChatError(error)
      })
      const found = paymentsIn(transactions).find((each) => each.charge === charge && !each.isRefund)
      if (found || transactions.length === 0) return found?.payer.id
      offset += transactions.length
    }
    return undefined
  }

  return async (charge, people) => {
    for (const person of people) {
      const outcome = await refundTo(Number(splitName(person).id), charge)
      if (outcome !== 'not_theirs') return outcome === 'refunded'
    }
    const payer = await payerOf(charge)
    const outcome = payer === undefined ? 'not_theirs' : await refundTo(payer, charge)
    if (outcome === 'not_theirs') throw new AppError('unknown_payment', { charge: `telegram:${charge}` })
    return outcome === 'refunded'
  }
}
