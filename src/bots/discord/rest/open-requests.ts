/** Requests of Discord that this process has open: the first answer to their interaction goes into the response. */
import type { APIInteractionResponse } from 'discord-api-types/v10'

export interface FirstAnswer {
  body: APIInteractionResponse
  /** To be called once the response was sent, or could not be. */
  ended(sent: boolean): void
}

export interface OpenRequests {
  /** undefined: it is answered by the callback route, perhaps by another process. A repeated delivery gets the same answer. */
  firstAnswer(id: string): Promise<FirstAnswer | undefined>
  /** Whether the answer was sent. False: Discord has no request open here, or one that was answered. */
  answer(id: string, body: APIInteractionResponse): Promise<boolean>
  /** The answer will come by the callback route. */
  giveUp(id: string): void
}

/** Discord waits 3 s. A form that another process prepares comes by the callback route within that time. */
const openMs = 2_500

interface Waiting {
  answer: Promise<FirstAnswer | undefined>
  settle(answer: FirstAnswer | undefined): void
}

export function createOpenRequests(): OpenRequests {
  const waiting = new Map<string, Waiting>()

  function open(id: string): Waiting {
    const { promise: answer, resolve } = withResolvers<FirstAnswer | undefined>()
    const timer = setTimeout(() => settle(undefined), openMs)
    function settle(given: FirstAnswer | undefined): void {
      clearTimeout(timer)
      waiting.delete(id)
      resolve(given)
    }
    const opened = { answer, settle }
    waiting.set(id, opened)
    return opened
  }

  return {
    firstAnswer: (id) => (waiting.get(id) ?? open(id)).answer,
    async answer(id, body) {
      const request = waiting.get(id)
      if (!request) return false
      return new Promise((resolve) => request.settle({ body, ended: resolve }))
    },
    giveUp: (id) => waiting.get(id)?.settle(undefined),
  }
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers<T>() {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
