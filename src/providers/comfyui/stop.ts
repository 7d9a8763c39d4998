/** Ending a run, and no other. */
import type { ComfyServer } from './server.ts'

/** Harmless when it is over already. */
export async function stopRun(server: ComfyServer, id: string, signal: AbortSignal): Promise<void> {
  if ((await server.queue(signal)).pending.includes(id)) await server.remove(id, signal)
  // it may have begun in the meantime
  const { running } = await server.queue(signal)
  // older servers interrupt whatever runs: so only when that is ours and nothing else
  if (running.length > 0 && running.every((each) => each === id)) await server.interrupt(id, signal)
}
