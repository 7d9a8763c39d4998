/** Who may be told of an end. Looked at when it is asked for; whoever tells it looks again, at what names resolve to. */
import { AppError } from '../../../core/errors.ts'
import { NetError } from '../../../net/errors.ts'
import { checkUrl } from '../../../net/guard.ts'

/** The address in the one spelling that is kept. Throws AppError bad_option. */
export function receiverOf(address: string): string {
  try {
    return checkUrl(address, new Set()).href
  } catch (error) {
    if (!(error instanceof NetError)) throw error
    throw new AppError('bad_option', {
      name: 'webhook_url',
      // without the path, the query and the password, which may be secret
      value: URL.canParse(address) ? new URL(address).host : '',
      expected: 'a public https address without port or password',
    })
  }
}
