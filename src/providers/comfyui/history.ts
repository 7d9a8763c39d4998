/** Reads the history entry of a finished run: its pictures, or the reason why there are none. */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import { readableReason } from '../reason.ts'

export const historyEntryShape = z.looseObject({
  /** [number, id, graph, extra data, outputs]. */
  prompt: z.array(z.unknown()).catch([]),
  outputs: z.record(z.string(), z.unknown()).catch({}),
  status: z
    .looseObject({
      status_str: z.string(),
      messages: z.array(z.tuple([z.string(), z.looseObject({})]).rest(z.unknown())).catch([]),
    })
    .nullish()
    .catch(undefined),
})

export type HistoryEntry = z.infer<typeof historyEntryShape>

const pictureRefShape = z.looseObject({
  filename: z.string().min(1),
  subfolder: z.string().default(''),
  type: z.string().default('output'),
})

export type PictureRef = z.infer<typeof pictureRefShape>

const outputShape = z.looseObject({ images: z.array(z.unknown()).catch([]) })
const pictureLimit = 16

/**
 * The saved pictures, or the previews if the graph saves none. Throws an AppError if the run failed, was interrupted or
 * made no picture.
 */
export function picturesIn(entry: HistoryEntry): PictureRef[] {
  if (entry.status && entry.status.status_str !== 'success') throw failureIn(entry)
  const refs = Object.values(entry.outputs)
    .flatMap((each) => outputShape.safeParse(each).data?.images ?? [])
    .flatMap((each) => pictureRefShape.safeParse(each).data ?? [])
  const saved = refs.filter(({ type }) => type === 'output')
  const pictures = saved.length > 0 ? saved : refs.filter(({ type }) => type === 'temp')
  if (pictures.length > 0) return pictures.slice(0, pictureLimit)
  throw new AppError('bad_result', { provider: 'comfyui', reason: 'the workflow saved no picture' })
}

const executionErrorShape = z.looseObject({
  node_id: z.union([z.string(), z.number()]).nullish(),
  node_type: z.string().nullish(),
  exception_message: z.string().nullish(),
  exception_type: z.string().nullish(),
})

function failureIn({ status }: HistoryEntry): AppError {
  const messages = new Map(status?.messages.map(([name, data]) => [name, data]))
  const interrupted = messages.has('execution_interrupted')
  const error = executionErrorShape.safeParse(messages.get('execution_error')).data
  const reason = interrupted ? 'interrupted' : error ? readableReason(describe(error)) : undefined
  return new AppError('provider_failed', { provider: 'comfyui', reason }, { final: true })
}

function describe(error: z.infer<typeof executionErrorShape>): string {
  // older servers report torch.cuda.OutOfMemoryError, newer ones torch.OutOfMemoryError
  if (error.exception_type?.endsWith('OutOfMemoryError')) return 'out of memory'
  const [first = ''] = (error.exception_message ?? '').trim().split('\n')
  return `node ${error.node_id ?? '?'} (${error.node_type ?? '?'}): ${first || error.exception_type || 'failed'}`
}
