import { availableParallelism, loadavg } from 'node:os'

/** Whether half of the machine's cores were free in the last minute. What is measured on a busy machine says little about the service. */
export const isQuiet = loadavg()[0]! < availableParallelism() / 2
