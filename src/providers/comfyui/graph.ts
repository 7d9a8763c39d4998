/**
 * A graph in ComfyUI's API format, with stand-ins that only a server at work can fill: names of uploaded pictures
 * (`{ $image: n }`), of model files (`{ $file: ['a', 'b'] }`, the first that is installed), a random seed
 * (`{ $seed: true }`) and words that an encoder cannot take in full (`{ $text, tokens }`).
 */
import { randomBytes } from 'node:crypto'
import { AppError } from '../../core/errors.ts'
import type { Note } from '../../core/ports/models.ts'
import type { Task } from '../../core/ports/providers.ts'
import type { Json } from '../../db/json.ts'
import { placeImages } from '../input.ts'
import { cutText } from './cut.ts'

interface GraphNode {
  class_type: string
  inputs: { [name: string]: Json }
}

export type Graph = { [node: string]: GraphNode }

/** The files that a server offers for an input. undefined: it has no such node or input. */
export type Choices = (classType: string, input: string) => Promise<readonly string[] | undefined>

export function graphOf(task: Task): Graph {
  return task.input as unknown as Graph
}

/** Throws AppError provider_refused when a file is not installed. */
export async function fillFiles(graph: Graph, choices: Choices): Promise<Graph> {
  return mapInputs(graph, async (value, { node, classType, name }) => {
    const wanted = isObject(value) ? value.$file : undefined
    if (!Array.isArray(wanted)) return value
    const offered = await choices(classType, name)
    if (!offered) throw refused(`node ${node} (${classType}): this server does not have it`)
    const found = wanted.map((file) => sameFile(String(file), offered)).find((file) => file !== undefined)
    if (found !== undefined) return found
    throw refused(`node ${node} (${classType}), ${name}: none of these files is installed: ${wanted.join(', ')}`)
  })
}

/** `names`: of the uploaded pictures, in order. */
export function fillRest(graph: Graph, names: readonly string[]): Json {
  const withSeeds = fillSeeds(graph as unknown as Json)
  return placeImages(withSeeds, (image) => names[image] ?? null)
}

function fillSeeds(value: Json): Json {
  if (Array.isArray(value)) return value.map(fillSeeds)
  if (!isObject(value)) return value
  if (value.$seed === true) return Number(randomBytes(8).readBigUInt64BE() >> 11n)
  if (typeof value.$text === 'string') return cutText(value.$text, Number(value.tokens)).text
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fillSeeds(item)]))
}

/** What the person should know about how the graph was filled. */
export function notesOf(graph: Graph): Note[] {
  const limits = inputsOf(graph).flatMap(({ value }) => {
    if (!isObject(value) || typeof value.$text !== 'string' || value.quiet === true) return []
    const limit = Number(value.tokens)
    return cutText(value.$text, limit).cut ? [limit] : []
  })
  return limits.length === 0 ? [] : [{ kind: 'prompt_cut', data: { limit: Math.min(...limits) } }]
}

/** The random seed that a filled graph got. undefined: none was asked for. */
export function seedIn(graph: Graph, filled: unknown): string | undefined {
  const place = inputsOf(graph).find(({ value }) => isObject(value) && value.$seed === true)
  const seed = place && (filled as Graph | undefined)?.[place.node]?.inputs?.[place.name]
  return typeof seed === 'number' ? String(seed) : undefined
}

/** Nodes that take the steps, and so say how far it is. */
export function samplersIn(graph: Graph): string[] {
  return Object.entries(graph).flatMap(([node, { class_type: name }]) =>
    /^(KSampler|KSamplerAdvanced|SamplerCustom|SamplerCustomAdvanced)$/.test(name) ? [node] : [],
  )
}

interface Place {
  node: string
  classType: string
  name: string
}

function inputsOf(graph: Graph): (Place & { value: Json })[] {
  return Object.entries(graph).flatMap(([node, { class_type: classType, inputs }]) =>
    Object.entries(inputs).map(([name, value]) => ({ node, classType, name, value })),
  )
}

async function mapInputs(graph: Graph, change: (value: Json, place: Place) => Promise<Json>): Promise<Graph> {
  const filled = structuredClone(graph)
  for (const { node, classType, name, value } of inputsOf(graph)) {
    const inputs = filled[node]?.inputs
    if (inputs) inputs[name] = await change(value, { node, classType, name })
  }
  return filled
}

/** People keep model files in folders of their own, which become part of the name. */
function sameFile(file: string, offered: readonly string[]): string | undefined {
  return offered.find((each) => each === file) ?? offered.find((each) => each.split(/[\\/]/).at(-1) === file)
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refused(reason: string): AppError {
  return new AppError('provider_refused', { provider: 'comfyui', reason: reason.slice(0, 300) }, { neverRan: true })
}
