/**
 * A graph in ComfyUI's API format, with placeholders that are filled for the server that runs it: the name of an
 * uploaded picture (`{ $image: n }`), the first of several model files that is installed (`{ $file: ['a', 'b'] }`; with
 * `orAny`, otherwise any file, preferably one whose name matches that pattern), a
 * random seed (`{ $seed: true }`, with `min` and `max` if it has limits), and a text cut to the limit of its encoder
 * (`{ $text, tokens }`). `$result: true` marks a node whose pictures are the result.
 */
import { randomBytes } from 'node:crypto'
import { AppError } from '../../core/errors.ts'
import type { Note, Range } from '../../core/ports/models.ts'
import type { Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { placeImages } from '../input.ts'
import { cutText } from './cut-text.ts'
import { refused } from './errors.ts'
import type { NodeFacts } from './nodes.ts'

interface GraphNode {
  class_type: string
  inputs: { [name: string]: Json }
  $result?: true
}

export type Graph = { [node: string]: GraphNode }

export function graphOf(task: Task): Graph {
  return task.input as unknown as Graph
}

/** Nodes that take every seed that JSON holds exactly. */
const takesAnySeed = new Set(['KSampler', 'KSamplerAdvanced', 'SamplerCustom', 'RandomNoise'])

/**
 * Fills the model files, and limits random seeds to what the server's nodes take. Throws AppError provider_refused when
 * none of the alternative files is installed, and provider_missing when any file would do and there is none.
 */
export async function fillForServer(graph: Graph, { choices, range }: NodeFacts, signal: AbortSignal): Promise<Graph> {
  return mapInputs(graph, async (value, { node, classType, name }) => {
    if (isSeed(value)) {
      const limits = takesAnySeed.has(classType) ? undefined : await range(classType, name, signal)
      return limits ? { $seed: true, ...overlap(rangeOf(value), limits) } : value
    }
    const wanted = isObject(value) ? value.$file : undefined
    if (!Array.isArray(wanted)) return value
    const offered = await choices(classType, name, signal)
    const installed = wanted.flatMap((file) => installedName(String(file), offered ?? []) ?? [])[0]
    if (installed !== undefined) return installed
    if (isObject(value) && typeof value.orAny === 'string') return anyFile(classType, offered, value.orAny)
    if (!offered) throw refused(`node ${node} (${classType}), ${name}: this server has no such node or input`)
    throw refused(`node ${node} (${classType}), ${name}: none of these files is installed: ${wanted.join(', ')}`)
  })
}

/** Throws AppError provider_missing: another provider may serve the request. */
function anyFile(classType: string, offered: readonly string[] | undefined, pattern: string): string {
  const preferred = new RegExp(pattern, 'i')
  const file = offered?.find((each) => preferred.test(each)) ?? offered?.[0]
  if (file !== undefined) return file
  throw new AppError('provider_missing', { model: `ComfyUI (${classType})` }, { neverRan: true })
}

/** Fills everything else. `pictures`: the names of the uploaded pictures, in order. */
export function fillRest(graph: Graph, pictures: readonly string[]): Json {
  const nodes = Object.entries(graph).map(([id, { $result: _, ...node }]) => [id, node])
  const filled = fillSeedsAndTexts(Object.fromEntries(nodes) as unknown as Json, randomSeed(graph))
  return placeImages(filled, (image) => pictures[image] ?? null)
}

function fillSeedsAndTexts(value: Json, seed: number): Json {
  if (Array.isArray(value)) return value.map((item) => fillSeedsAndTexts(item, seed))
  if (!isObject(value)) return value
  if (isSeed(value)) return seed
  if (typeof value.$text === 'string') return cutText(value.$text, Number(value.tokens)).text
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fillSeedsAndTexts(item, seed)]))
}

/** One seed that every placeholder of the graph allows, because all of them stand for the seed of the request. */
function randomSeed(graph: Graph): number {
  const { min, max } = inputsOf(graph)
    .flatMap(({ value }) => (isSeed(value) ? [rangeOf(value)] : []))
    .reduce(overlap, { min: 0, max: Number.MAX_SAFE_INTEGER })
  const numbers = BigInt(max) - BigInt(min) + 1n
  return Number(BigInt(min) + (randomBytes(16).readBigUInt64BE() % numbers))
}

type Seed = { $seed: true; min?: number; max?: number }

const isSeed = (value: Json): value is Seed => isObject(value) && value.$seed === true

/** Negative seeds are left out where possible: some nodes take them as commands such as "random". */
function rangeOf({ min = 0, max = Number.MAX_SAFE_INTEGER }: Seed): Range {
  return { min: max < 0 ? min : Math.max(0, min), max }
}

/** Whole numbers in both ranges. Without any, those of the first. */
function overlap(first: Range, second: Range): Range {
  const min = Math.ceil(Math.max(first.min, second.min))
  const max = Math.floor(Math.min(first.max, second.max))
  return min <= max ? { min, max } : first
}

/** Notes for the person about texts that were cut. A placeholder with `quiet` causes none. */
export function notesOf(graph: Graph): Note[] {
  const limits = inputsOf(graph).flatMap(({ value }) => {
    if (!isObject(value) || typeof value.$text !== 'string' || value.quiet === true) return []
    const limit = Number(value.tokens)
    return cutText(value.$text, limit).cut ? [limit] : []
  })
  return limits.length === 0 ? [] : [{ kind: 'prompt_cut', data: { limit: Math.min(...limits) } }]
}

/** The random seed in a filled graph. undefined: the graph has no placeholder for one. */
export function randomSeedIn(graph: Graph, filled: unknown): string | undefined {
  const input = inputsOf(graph).find(({ value }) => isSeed(value))
  const seed = input && (filled as Graph | undefined)?.[input.node]?.inputs?.[input.name]
  return typeof seed === 'number' ? String(seed) : undefined
}

/** Ids of the nodes whose pictures are the result. Empty: those of all nodes that save pictures. */
export function resultNodesIn(graph: Graph): string[] {
  return Object.entries(graph).flatMap(([node, { $result }]) => ($result ? [node] : []))
}

/** Ids of the sampler nodes, whose steps are the progress of the run. */
export function samplersIn(graph: Graph): string[] {
  return Object.entries(graph).flatMap(([node, { class_type: name }]) =>
    /^(KSampler|KSamplerAdvanced|SamplerCustom|SamplerCustomAdvanced)$/.test(name) ? [node] : [],
  )
}

/** An input of a node. `node`: the node's id. */
interface Input {
  node: string
  classType: string
  name: string
}

function inputsOf(graph: Graph): (Input & { value: Json })[] {
  return Object.entries(graph).flatMap(([node, { class_type: classType, inputs }]) =>
    Object.entries(inputs).map(([name, value]) => ({ node, classType, name, value })),
  )
}

async function mapInputs(graph: Graph, change: (value: Json, input: Input) => Promise<Json>): Promise<Graph> {
  const filled = structuredClone(graph)
  for (const { node, classType, name, value } of inputsOf(graph)) {
    const inputs = filled[node]?.inputs
    if (inputs) inputs[name] = await change(value, { node, classType, name })
  }
  return filled
}

/** The server's name for the file, which includes the subfolder if there is one. undefined: not installed. */
function installedName(file: string, offered: readonly string[]): string | undefined {
  return offered.find((each) => each === file) ?? offered.find((each) => each.split(/[\\/]/).at(-1) === file)
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
