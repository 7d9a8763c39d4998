/** Payments on platforms that take them. */

/** The platform says that the person has paid an invoice, or was given the money back. `charge`: the platform's id of the payment. */
export interface Payment {
  kind: 'payment'
  order: string
  charge: string
  isRefund: boolean
}

/** The platform says that its own shop has sold something to the person, or that the person has it no more. */
export interface Purchase {
  kind: 'purchase'
  /** The platform's ids of what was sold, and of the purchase. */
  item: string
  purchase: string
  /** The platform's id of the payment: of the purchase, or of one period of a subscription. */
  charge: string
  isRefund: boolean
}

/** Credits to pay for on the platform. The texts are in the person's language. */
export interface Invoice {
  order: string
  title: string
  description: string
  /** Price in Telegram Stars. */
  stars: number
  /** Follows `/start` where a copy of the invoice is opened by another person. */
  start: string
}

export interface Payments {
  /**
   * Gives the money of a charge back to one of these people. Resolves to false if that was done before. Rejects with AppError
   * 'unknown_payment' or 'chat_unavailable'. Works in any process.
   */
  refund(charge: string, people: readonly string[]): Promise<boolean>
}

/** The platform's own shop. */
export interface Shop {
  /** Credits were set for an item: its purchases that gave nothing so far are handled. The same `key` again changes nothing. */
  itemChanged(item: string, key: string): Promise<void>
}
