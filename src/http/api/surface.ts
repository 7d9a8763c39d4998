/**
 * The HTTP API as a surface. Nothing is posted: clients poll or wait. Progress is saved in the database, where the processes
 * that wait find it.
 */
import type { ChatSurface, Posted, Reply } from '../../core/ports/chat.ts'
import { saveProgress } from '../../core/programs/progress.ts'
import type { Database } from '../../db/database.ts'

const paceMs = 500

export function createApiSurface({ database }: { database: Database }): ChatSurface {
  /** The address 'api:<generation>' also stands for the message. */
  async function show(posted: Posted, { state, content, pictures }: Reply): Promise<Posted> {
    const preview = pictures?.[0]?.file.data
    const percent = content.kind === 'drawing' ? content.percent : undefined
    if (state === 'waiting' && (percent !== undefined || preview)) {
      await saveProgress(database, posted.slice('api:'.length), { percent, preview })
    }
    return posted
  }

  return {
    name: 'api',
    paceMs,
    isSilent: true,
    post: show,
    edit: show,
    changeButtons: async () => undefined,
    remove: async () => undefined,
    start: async () => undefined,
    stop: async () => undefined,
    notReady: () => undefined,
  }
}
