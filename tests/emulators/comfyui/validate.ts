/** Validates a graph as the server does before it queues it, with the server's error messages. */
import { type NodeInput, type NodeKind, nodeKinds, valuesOf } from './nodes.ts'

export type Version = 'old' | 'new'

export interface GraphNode {
  class_type: string
  inputs: Record<string, unknown>
  _meta?: { title?: string }
}

export type Graph = Record<string, GraphNode>

interface Mistake {
  type: string
  message: string
  details: string
  extra_info: Record<string, unknown>
}

type NodeErrors = Record<string, { errors: Mistake[]; dependent_outputs: string[]; class_type: string }>

interface Verdict {
  /** Absent: the graph can run. */
  error?: Mistake
  nodeErrors: NodeErrors
  /** Output nodes that can run. */
  outputs: string[]
}

export interface Checking {
  version: Version
  files: Readonly<Record<string, readonly string[]>>
}

const mistake = (type: string, message: string, details = '', extra: Record<string, unknown> = {}): Mistake => ({
  type,
  message,
  details,
  extra_info: extra,
})

export function validate(graph: Graph, checking: Checking): Verdict {
  const unknown = unknownNode(graph, checking.version)
  if (unknown) return { error: unknown, nodeErrors: {}, outputs: [] }
  const ends = Object.entries(graph).flatMap(([id, node]) => (nodeKinds[node.class_type]?.isOutput ? [id] : []))
  if (ends.length === 0) {
    return { error: mistake('prompt_no_outputs', 'Prompt has no outputs'), nodeErrors: {}, outputs: [] }
  }
  const errors = new Map<string, Mistake[]>()
  const outputs = ends.filter((id) => isValid(graph, id, { checking, errors, path: [] }))
  const nodeErrors: NodeErrors = {}
  for (const [id, found] of errors) {
    if (found.length === 0) continue
    const dependents = ends.filter((end) => !outputs.includes(end) && reaches(graph, end, id))
    nodeErrors[id] = { errors: found, dependent_outputs: dependents, class_type: graph[id]!.class_type }
  }
  if (outputs.length > 0) return { nodeErrors, outputs }
  const details = [...errors.values()].flat().map((each) => `${each.message}: ${each.details}`)
  const error = mistake('prompt_outputs_failed_validation', 'Prompt outputs failed validation', details.join('\n'))
  return { error, nodeErrors, outputs }
}

function unknownNode(graph: Graph, version: Version): Mistake | undefined {
  for (const [id, node] of Object.entries(graph)) {
    const name = node?.class_type
    const title = node?._meta?.title ?? name
    const extra = { node_id: id, class_type: name ?? null, node_title: title ?? null }
    if (name === undefined) {
      const words = `Node ID '#${id}'`
      if (version === 'new') return mistake('missing_node_type', `${words} has no class_type.`, words, extra)
      return mistake('invalid_prompt', 'Cannot execute because a node is missing the class_type property.', words)
    }
    if (nodeKinds[name]) continue
    if (version === 'old') {
      return mistake('invalid_prompt', `Cannot execute because node ${name} does not exist.`, `Node ID '#${id}'`)
    }
    const words = `Node '${title}' not found. The custom node may not be installed.`
    return mistake('missing_node_type', words, `Node ID '#${id}'`, extra)
  }
  return undefined
}

function reaches(graph: Graph, from: string, to: string, seen: readonly string[] = []): boolean {
  if (from === to) return true
  if (seen.includes(from)) return false
  return Object.values(graph[from]?.inputs ?? {}).some(
    (value) => Array.isArray(value) && reaches(graph, String(value[0]), to, [...seen, from]),
  )
}

interface Walk {
  checking: Checking
  /** Errors of the nodes checked so far, by node id; empty for valid nodes. */
  errors: Map<string, Mistake[]>
  path: string[]
}

/** Whether a node and all its dependencies can run. */
function isValid(graph: Graph, id: string, walk: Walk): boolean {
  const node = graph[id]!
  const kind = nodeKinds[node.class_type]!
  const found = walk.errors.get(id) ?? ownMistakes(graph, node, { kind, checking: walk.checking })
  walk.errors.set(id, found)
  const sources = Object.entries(node.inputs).flatMap(([name, value]) =>
    inputOf(kind, name) && isLink(value) && graph[value[0]] ? [value[0]] : [],
  )
  const valid = sources.map((source) => {
    if (!walk.path.includes(source)) return isValid(graph, source, { ...walk, path: [...walk.path, id] })
    const words = [...walk.path, id, source].join(' -> ')
    found.push(mistake('dependency_cycle', 'Dependency cycle detected', words))
    return false
  })
  return found.length === 0 && valid.every(Boolean)
}

function inputOf({ required, optional }: NodeKind, name: string): NodeInput | undefined {
  return required[name] ?? optional?.[name]
}

export function isLink(value: unknown): value is [string, number] {
  return Array.isArray(value) && value.length === 2
}

interface About {
  kind: NodeKind
  checking: Checking
}

function ownMistakes(graph: Graph, node: GraphNode, { kind, checking }: About): Mistake[] {
  return Object.entries({ ...kind.required, ...kind.optional }).flatMap(([name, input]) => {
    const value = node.inputs[name]
    if (value !== undefined) return valueMistake(graph, value, { name, input, checking }) ?? []
    if (!(name in kind.required)) return []
    return mistake('required_input_missing', 'Required input is missing', name, { input_name: name })
  })
}

interface InputAbout {
  name: string
  input: NodeInput
  checking: Checking
}

function valueMistake(graph: Graph, value: unknown, about: InputAbout): Mistake | undefined {
  const { name, input, checking } = about
  const extra = { input_name: name, input_config: null, received_value: value }
  if (Array.isArray(value)) {
    const words = 'Bad linked input, must be a length-2 list of [node_id, slot_index]'
    if (!isLink(value)) return mistake('bad_linked_input', words, name, extra)
    return linkMistake(graph, value, about)
  }
  if ('link' in input) {
    return mistake(
      'bad_linked_input',
      'Bad linked input, must be a length-2 list of [node_id, slot_index]',
      name,
      extra,
    )
  }
  const values = valuesOf(input, checking.files)
  if ('file' in input && input.file === 'input') {
    if (values?.includes(String(value))) return undefined
    const words = `${name} - Invalid image file: ${value}`
    return mistake('custom_validation_failed', 'Custom validation failed for node', words, extra)
  }
  if (values) {
    if (values.includes(String(value))) return undefined
    const list =
      values.length > 20 ? `(list of length ${values.length})` : `[${values.map((v) => `'${v}'`).join(', ')}]`
    return mistake('value_not_in_list', 'Value not in list', `${name}: '${value}' not in ${list}`, {
      ...extra,
      input_config: values.length > 20 ? null : [values, {}],
    })
  }
  return numberMistake(value, about)
}

function numberMistake(value: unknown, { name, input }: InputAbout): Mistake | undefined {
  if (!('int' in input || 'float' in input)) return undefined
  const [type, [, min, max]] = 'int' in input ? (['INT', input.int] as const) : (['FLOAT', input.float] as const)
  const extra = { input_name: name, input_config: [type, { min, max }], received_value: value }
  const number = typeof value === 'string' && value.trim() === '' ? Number.NaN : Number(value)
  if (Number.isNaN(number) || value === null || typeof value === 'object') {
    const words = `${name}, ${JSON.stringify(value)}, invalid literal`
    return mistake('invalid_input_type', `Failed to convert an input value to a ${type} value`, words, extra)
  }
  if (number < min) return mistake('value_smaller_than_min', `Value ${value} smaller than min of ${min}`, name, extra)
  if (number > max) return mistake('value_bigger_than_max', `Value ${value} bigger than max of ${max}`, name, extra)
  return undefined
}

function linkMistake(graph: Graph, [from, slot]: [string, number], { name, input }: InputAbout): Mistake | undefined {
  const source = graph[from]
  if (!source) return mistake('exception_during_validation', 'Exception when validating node', `'${from}'`)
  const given = nodeKinds[source.class_type]?.outputs[slot]
  const wanted = typeOf(input)
  if (given === undefined) {
    return mistake(
      'exception_during_inner_validation',
      'Exception when validating inner node',
      'tuple index out of range',
    )
  }
  if (given === wanted) return undefined
  const words = `${name}, received_type(${given}) mismatch input_type(${wanted})`
  return mistake('return_type_mismatch', 'Return type mismatch between linked nodes', words, {
    input_name: name,
    received_type: given,
    linked_node: [from, slot],
  })
}

function typeOf(input: NodeInput): string {
  if ('link' in input) return input.link
  if ('int' in input) return 'INT'
  if ('float' in input) return 'FLOAT'
  if ('text' in input) return 'STRING'
  return 'bool' in input ? 'BOOLEAN' : 'COMBO'
}
