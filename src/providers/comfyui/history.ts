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
 * The saved pictures, or the previews if the graph saves none. `results`: the nodes whose pictures count; empty: all.
 * Throws an AppError if the run failed, was interrupted or made no picture.
 */
export function picturesIn(entry: HistoryEntry, results: readonly string[] = []): PictureRef[] {
  if (entry.status && entry.status.status_str !== 'success') throw failureIn(entry)
  const refs = outputsOf(entry, results)
    .flatMap((each) => outputShape.safeParse(each).data?.images ?? [])
    .flatMap((each) => pictureRefShape.safeParse(each).data ?? [])
  const saved = refs.filter(({ type }) => type === 'output')
  const found = saved.length > 0 ? saved : refs.filter(({ type }) => type === 'temp')
  const pictures = found.filter(({ filename }) => pictureFile.test(filename))
  if (pictures.length > 0) return pictures.slice(0, pictureLimit)
  const [other] = found
  const from = results.length > 0 ? `node ${results.join(', ')}` : 'the workflow'
  throw lastingFailure(
    'bad_result',
    other ? `${from} saved "${other.filename}", which is not PNG, JPEG or WebP` : `${from} saved no picture`,
  )
}

/** A file without an extension may be a picture as well. */
const pictureFile = /(\.(png|jpe?g|jfif|webp)|^[^.]+)$/i

/** Nodes that a node creates while it runs have its id as a prefix, as in "60.0.1". */
function outputsOf({ outputs }: HistoryEntry, results: readonly string[]): unknown[] {
  const isResult = (node: string) => results.some((result) => node === result || node.startsWith(`${result}.`))
  return Object.entries(outputs).flatMap(([node, output]) => (results.length === 0 || isResult(node) ? [output] : []))
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
  if (!interrupted && error) return lastingFailure('provider_failed', readableReason(describe(error)))
  const reason = interrupted ? 'interrupted' : undefined
  return new AppError('provider_failed', { provider: 'comfyui', reason }, { final: true })
}

/** A failure that the same graph would cause again. */
function lastingFailure(kind: 'provider_failed' | 'bad_result', reason: string | undefined): AppError {
  return new AppError(kind, { provider: 'comfyui', reason, lasting: true }, { final: true })
}

function describe(error: z.infer<typeof executionErrorShape>): string {
  // older servers report torch.cuda.OutOfMemoryError, newer ones torch.OutOfMemoryError
  if (error.exception_type?.endsWith('OutOfMemoryError')) return 'out of memory'
  const [first = ''] = (error.exception_message ?? '').trim().split('\n')
  return `node ${error.node_id ?? '?'} (${error.node_type ?? '?'}): ${first || error.exception_type || 'failed'}`
}
