/** Picture → prompt. Midjourney writes four; the first is used, without its parameters. */
import { AppError } from '../../core/errors.ts'
import { type MidjourneyTask, taskError } from './responses.ts'

interface Waiting {
  read(): Promise<MidjourneyTask>
  pause(): Promise<unknown>
  secret: string | undefined
}

export async function describedBy({ read, pause, secret }: Waiting): Promise<string> {
  for (;;) {
    const task = await read()
    if (task.status === 'FAILURE') throw taskError(task, secret)
    if (task.status === 'SUCCESS') return firstPrompt(task)
    await pause()
  }
}

function firstPrompt({ properties, prompt }: MidjourneyTask): string {
  const [first = ''] = (properties?.finalPrompt ?? prompt ?? '').split(/[1-4]\uFE0F?\u20E3/u).filter(hasWords)
  // some words are links
  const text = first.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/\s+--.*$/s, '')
  if (!hasWords(text)) throw new AppError('bad_result', { provider: 'midjourney' })
  return text.trim()
}

const hasWords = (text: string) => text.trim() !== ''
