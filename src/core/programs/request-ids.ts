/** Id of the call that is being handled, so that log lines about its generation can name it. Absent: outside of a call. */
import { AsyncLocalStorage } from 'node:async_hooks'

export const requestIds = new AsyncLocalStorage<string>()
