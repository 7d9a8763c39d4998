/**
 * A graph in ComfyUI's API format, with placeholders that are filled for the server that runs it: the name of an
 * uploaded picture (`{ $image: n }`), the first of several model files that is installed (`{ $file: ['a', 'b'] }`), a
 * random seed (`{ $seed: true }`), and a text cut to the limit of its encoder (`{ $text, tokens }`).
 */
import { randomBytes } from 'node:crypto'
import { AppError } from '../../core/errors.ts'
import type { Note } from '../../core/ports/models.ts'
import type { Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { placeImages } from '../input.ts'
import { cutText } from './cut-text.ts'

interface GraphNode {
  class_type: string
  inputs: { [name: string]: Json }
}

export type Graph = { [node: string]: GraphNode }

/** The files that a server offers for an input of a node. undefined: it has no such node or input. */
export type Choices = (classType: string, input: string) => Promise<readonly string[] | undefined>

export function graphOf(task: Task): Graph {
  return task.input as unknown as Graph
}

/** Fills the model files. Throws AppError provider_refused when none of the alternatives is installed. */
export async function fillFiles(graph: Graph, choices: Choices): Promise<Graph> {
  return mapInputs(graph, async (value, { node, classType, name }) => {
    const wanted = isObject(value) ? value.$file : undefined
    if (!Array.isArray(wanted)) return value
    const offered = await choices(classType, name)
    if (!offered) throw refused(`node ${node} (${classType}), ${name}: this server has no such node or input`)
    const installed = wanted.map((file) => installedName(String(file), offered)).find((file) => file !== undefined)
    if (installed !== undefined) return installed
    throw refused(`node ${node} (${classType}), ${name}: none of these files is installed: ${wanted.join(', ')}`)
  })
}

/** Fills everything else. `pictures`: the names of the uploaded pictures, in order. */
export function fillRest(graph: Graph, pictures: readonly string[]): Json {
  const filled = fillSeedsAndTexts(graph as unknown as Json)
  return placeImages(filled, (image) => pictures[image] ?? null)
}

function fillSeedsAndTexts(value: Json): Json {
  if (Array.isArray(value)) return value.map(fillSeedsAndTexts)
  if (!isObject(value)) return value
  if (value.$seed === true) return Number(randomBytes(8).readBigUInt64BE() >> 11n)
  if (typeof value.$text === 'string') return cutText(value.$text, Number(value.tokens)).text
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fillSeedsAndTexts(item)]))
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
  const input = inputsOf(graph).find(({ value }) => isObject(value) && value.$seed === true)
  const seed = input && (filled as Graph | undefined)?.[input.node]?.inputs?.[input.name]
  return typeof seed === 'number' ? String(seed) : undefined
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

function refused(reason: string): AppError {
  return new AppError('provider_refused', { provider: 'comfyui', reason: reason.slice(0, 300) }, { neverRan: true })
}
