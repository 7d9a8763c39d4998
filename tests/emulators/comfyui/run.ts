/** Runs one graph: executes its nodes in order, sends the messages, and returns the history entry. */
import { createHash } from 'node:crypto'
import { picture as makePicture } from '../pictures.ts'
import type { Files } from './files.ts'
import { nodeKinds } from './nodes.ts'
import type { Item } from './queue.ts'
import { shapeOf } from './shape.ts'
import type { Sockets } from './sockets.ts'
import { type Graph, isLink } from './validate.ts'

export interface Entry {
  outputs: Record<string, unknown>
  status: { status_str: 'success' | 'error'; completed: boolean; messages: unknown[] }
  meta: Record<string, unknown>
}

export interface RunContext {
  files: Files
  sockets: Sockets
  /** Signature of a node and its dependencies → its output. A cached node does not run again. */
  cache: Map<string, object | null>
  /** Milliseconds of sampling, over all steps. */
  workMs: number
  steps: number
  previews: boolean
  picture?: (width: number, height: number) => Promise<Buffer>
  /** Ends early after `hurry`, an interruption or a restart. */
  pause(ms: number): Promise<void>
  /** 'forgotten': the server has restarted. */
  state(): 'go' | 'interrupted' | 'forgotten'
}

class Failure extends Error {
  readonly type: string
  constructor(type: string, message: string) {
    super(message)
    this.type = type
  }
}

/** undefined: the server restarted during the run. */
export async function runGraph(item: Item, context: RunContext): Promise<Entry | undefined> {
  const { sockets, cache } = context
  const { graph, id, client } = item
  const messages: unknown[] = []
  const outputs: Entry['outputs'] = {}
  const record = (type: string, data: object, to = client) => {
    const full = { prompt_id: id, ...data, timestamp: Date.now() }
    messages.push([type, full])
    sockets.send(to, type, full)
  }
  const order = executionOrder(graph, item.outputs)
  const signatures = new Map(order.map((node) => [node, signatureOf(graph, node, context.files)]))
  const isCached = (node: string) => cache.has(signatures.get(node)!)
  const progress = createProgress(item, sockets)
  record('execution_start', {})
  record('execution_cached', { nodes: order.filter(isCached) })
  const executed: string[] = []
  for (const node of order) {
    try {
      const ui = isCached(node)
        ? (cache.get(signatures.get(node)!) ?? null)
        : await execute(item, { node, context, progress })
      if (context.state() === 'forgotten') return undefined
      cache.set(signatures.get(node)!, ui)
      executed.push(node)
      if (!nodeKinds[graph[node]!.class_type]?.isOutput) continue
      sockets.send(client, 'executed', { node, display_node: node, output: ui, prompt_id: id })
      outputs[node] = ui
    } catch (error) {
      if (context.state() === 'forgotten') return undefined
      if (!(error instanceof Failure)) throw error
      const details = { node_id: node, node_type: graph[node]!.class_type, executed }
      if (error.type === 'interrupted') record('execution_interrupted', details, undefined)
      else record('execution_error', { ...details, ...exceptionOf(error) })
      return { outputs: {}, status: { status_str: 'error', completed: false, messages }, meta: {} }
    }
  }
  record('execution_success', {})
  const meta = Object.keys(outputs).map((node) => [
    node,
    { node_id: node, display_node: node, parent_node: null, real_node_id: node },
  ])
  return {
    outputs,
    status: { status_str: 'success', completed: true, messages },
    meta: Object.fromEntries(meta),
  }
}

function exceptionOf({ type, message }: Failure) {
  return {
    exception_message: message,
    exception_type: type,
    traceback: ['  File "execution.py", line 515, in execute\n'],
    current_inputs: {},
    current_outputs: [],
  }
}

/** The nodes that these outputs depend on, dependencies first. */
function executionOrder(graph: Graph, outputs: readonly string[]): string[] {
  const order: string[] = []
  const visit = (node: string) => {
    if (order.includes(node)) return
    for (const value of Object.values(graph[node]?.inputs ?? {})) if (isLink(value)) visit(value[0])
    order.push(node)
  }
  for (const output of outputs) visit(output)
  return order
}

function signatureOf(graph: Graph, node: string, files: Files): string {
  const { class_type: name, inputs } = graph[node]!
  const parts = Object.entries(inputs).map(([input, value]) => [
    input,
    isLink(value) ? [signatureOf(graph, value[0], files), value[1]] : value,
  ])
  const file = name === 'LoadImage' ? files.read('input', String(inputs.image))?.toString('base64') : undefined
  return createHash('sha256')
    .update(JSON.stringify([node, name, parts, file]))
    .digest('hex')
}

type Advance = (node: string, value: number, max: number) => void

function createProgress({ id, client }: Item, sockets: Sockets): Advance {
  const nodes: Record<string, object> = {}
  return (node, value, max) => {
    nodes[node] = {
      value,
      max,
      state: value >= max ? 'finished' : 'running',
      node_id: node,
      prompt_id: id,
      display_node_id: node,
      parent_node_id: null,
      real_node_id: node,
    }
    sockets.send(client, 'progress_state', { prompt_id: id, nodes })
  }
}

interface Executing {
  node: string
  context: RunContext
  progress: Advance
}

/** Returns the output that the node shows. null: none. */
async function execute(item: Item, { node, context, progress }: Executing): Promise<object | null> {
  const { graph, id, client } = item
  const { class_type: name, inputs } = graph[node]!
  const { sockets, files } = context
  throwIfStopped(context)
  sockets.send(client, 'executing', { node, display_node: node, prompt_id: id })
  progress(node, 0, 1)
  if (/^(KSampler|SamplerCustomAdvanced)$/.test(name)) await sample(item, { node, context, progress })
  if (name !== 'SaveImage' && name !== 'PreviewImage') {
    progress(node, 1, 1)
    return name === 'SaveLatent' ? { latents: [] } : null
  }
  const { width, height, batch } = await shapeOf(graph, node, files)
  const images: object[] = []
  for (let n = 0; n < batch; n++) {
    const bytes = await (context.picture?.(width, height) ?? makePicture(width, height, 'png', seedIn(graph) + n))
    const temp = name === 'PreviewImage'
    images.push(
      files.save(temp ? 'temp' : 'output', temp ? 'ComfyUI_temp_abcde' : String(inputs.filename_prefix), bytes),
    )
  }
  progress(node, 1, 1)
  return { images }
}

async function sample(item: Item, { node, context, progress }: Executing): Promise<void> {
  const { graph, id, client } = item
  const { sockets, steps, workMs, previews } = context
  for (let step = 1; step <= steps; step++) {
    await context.pause(workMs / steps)
    throwIfStopped(context)
    failOnPurpose(graph)
    progress(node, step, steps)
    sockets.send(client, 'progress', { value: step, max: steps, prompt_id: id, node })
    if (!previews) continue
    const metadata = { node_id: node, prompt_id: id, display_node_id: node, parent_node_id: null, real_node_id: node }
    sockets.preview(client, await makePicture(64, 64, 'jpeg', step), metadata)
  }
}

function throwIfStopped({ state }: RunContext): void {
  if (state() !== 'go') throw new Failure('interrupted', '')
}

const oom =
  'Allocation on device 0 would exceed allowed memory. (out of memory)\nCurrently allocated     : 21.92 GiB\nThis error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before you might have accidentally set the batch_size to a large number.'

/** Words in the texts of the graph cause errors: 'oom' a lack of memory, 'boom' a runtime error. */
function failOnPurpose(graph: Graph): void {
  const texts = Object.values(graph).flatMap(({ inputs }) => Object.values(inputs).filter((v) => typeof v === 'string'))
  const has = (word: RegExp) => texts.some((text) => word.test(text))
  if (has(/\boom\b/)) throw new Failure('torch.OutOfMemoryError', oom)
  if (has(/\bboom\b/)) {
    throw new Failure('RuntimeError', 'mat1 and mat2 shapes cannot be multiplied (1x768 and 4096x3072)\nmore words')
  }
}

function seedIn(graph: Graph): number {
  const seeds = Object.values(graph).map(({ inputs }) => inputs.seed ?? inputs.noise_seed)
  return Number(seeds.find((seed) => typeof seed === 'number') ?? 0) % 360
}
