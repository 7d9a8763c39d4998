/**
 * Packs: models that an operator adds, one JSON file each. A workflow pack is a ComfyUI graph and the inputs of it that a request
 * may set, `{ "manifest": …, "graph": … }` (docs/workflow-packs.md). A model pack describes a model of fal or of an images API,
 * `{ "provider": …, "routes": … }` (docs/model-packs.md).
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import {
  type ImageRef,
  type Model,
  type PictureRequest,
  type Route,
  sides,
  type Takes,
} from '../../core/ports/models.ts'
import type { Json } from '../../db/json.ts'
import { onePrice } from '../routes/costs.ts'
import { seedNumber } from '../routes/input.ts'
import { mistakesIn } from './check.ts'
import { type Graph, graphShape, pageFormatMistake } from './graph.ts'
import { type Manifest, manifestShape, type NodeInput, nodeInputsOf, takesOf } from './manifest.ts'
import { parseModelPack } from './model-pack.ts'
import { PackError } from './pack-error.ts'
import { readText } from './read-text.ts'
import { nodeIdsOf } from './savers.ts'

const sizeLimit = 2 * 1024 * 1024
const packLimit = 200

/** Throws PackError. */
export function parsePack(text: string): Model {
  if (text.length > sizeLimit) throw new PackError([tooLarge])
  const file = parseJson(text)
  if (typeof file !== 'object' || file === null || Array.isArray(file)) throw new PackError([noPack])
  // a graph in the format of ComfyUI's page has neither
  const isModelPack = 'provider' in file || 'routes' in file
  return isModelPack ? parseModelPack(file) : parseWorkflowPack(file)
}

function parseWorkflowPack(file: object): Model {
  const { manifest, graph } = checkedParts(file)
  const mistakes = mistakesIn(graph, manifest)
  if (mistakes.length > 0) throw new PackError(mistakes)
  const { id, aliases, title, price, hidden } = manifest
  const takes = takesOf(manifest, graph)
  const route: Route = {
    provider: 'comfyui',
    endpoint: `pack/${id}`,
    takes,
    input: (request, images, mask) => fill(graph, { manifest, takes, request, images, mask }),
  }
  return { id, aliases, title, price, sizeFactors: onePrice, hidden, routes: [route] }
}

/** Reads every `*.json` in a folder, but no hidden file. A missing folder has no packs. */
export async function readPacks(folder: string): Promise<{ models: Model[]; mistakes: string[] }> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const files = names.filter((name) => /^[^.].*\.json$/i.test(name)).sort()
  const models: Model[] = []
  const mistakes =
    files.length > packLimit
      ? [`there are more than ${packLimit} packs: only the first ${packLimit} by name are loaded`]
      : []
  for (const name of files.slice(0, packLimit)) {
    try {
      models.push(await readPack(join(folder, name)))
    } catch (error) {
      const found = error instanceof PackError ? error.mistakes : [(error as Error).message]
      mistakes.push(...found.map((mistake) => `${name}: ${mistake}`))
    }
  }
  return { models, mistakes }
}

async function readPack(path: string): Promise<Model> {
  const { size } = await stat(path)
  if (size > sizeLimit) throw new PackError([tooLarge])
  return parsePack(await readText(path))
}

const tooLarge = `a pack can have at most ${sizeLimit / 1024 / 1024} MiB`

const noPack = 'write a pack as { "provider": …, "routes": […] }, or for ComfyUI as { "manifest": {…}, "graph": {…} }'

function checkedParts(file: object): { manifest: Manifest; graph: Graph } {
  const { manifest: rawManifest, graph: rawGraph, ...rest } = file as Record<string, unknown>
  const wrongFormat = pageFormatMistake(rawGraph ?? file)
  if (wrongFormat) throw new PackError([wrongFormat])
  const manifest = manifestShape.safeParse(rawManifest ?? {})
  const graph = graphShape.safeParse(rawGraph ?? {})
  const mistakes = [
    ...Object.keys(rest).map((name) => `"${name}" is unknown: a pack has only "manifest" and "graph"`),
    ...(rawManifest === undefined ? ['"manifest" is missing'] : mistakesOf('manifest', manifest.error)),
    ...(rawGraph === undefined
      ? ['"graph" is missing: paste the exported graph there']
      : mistakesOf('graph', graph.error)),
  ]
  if (mistakes.length > 0 || !manifest.success || !graph.success) throw new PackError(mistakes)
  return { manifest: manifest.data, graph: graph.data as Graph }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new PackError([`this is not valid JSON: ${(error as Error).message}`])
  }
}

function mistakesOf(part: string, error: z.ZodError | undefined): string[] {
  return (error?.issues ?? []).map(({ path, message }) => `${[part, ...path].join('.')}: ${message}`)
}

interface Filling {
  manifest: Manifest
  takes: Takes
  request: PictureRequest
  images: readonly ImageRef[]
  mask?: ImageRef
}

/**
 * Inputs without a requested value stay as exported, except for the seed: ComfyUI would return the cached picture of an
 * unchanged graph.
 */
function fill(graph: Graph, { manifest: { nodes, params, loras }, takes, request, images, mask }: Filling): Json {
  const filled = structuredClone(graph)
  const put = (inputs: readonly NodeInput[], value: Json | undefined) => {
    if (value === undefined) return
    for (const { node, input } of inputs) filled[node]!.inputs[input] = value
  }
  const { width, height, steps, guidance, strength, negative, seed } = request
  put(nodeInputsOf(nodes.prompt), request.prompt)
  put(nodeInputsOf(nodes.negative), negative)
  put(nodeInputsOf(nodes.width), width || undefined)
  put(nodeInputsOf(nodes.height), height || undefined)
  put(nodeInputsOf(nodes.seed), seedNumber(seed) ?? { $seed: true, ...params.seed })
  put(nodeInputsOf(nodes.steps), steps)
  put(nodeInputsOf(nodes.guidance), guidance)
  put(nodeInputsOf(nodes.strength), strength)
  put(nodeInputsOf(nodes.count), request.count / (takes.picturesEach ?? 1))
  put(nodeInputsOf(nodes.mask), mask)
  for (const side of sides) put(nodeInputsOf(nodes[side]), request.expand?.[side])
  for (const [at, { file, scale }] of (request.loras ? (nodes.loras ?? []) : []).entries()) {
    const lora = request.loras?.[at]
    put(nodeInputsOf(file), lora && loras[lora.path])
    // a loader without a LoRA of the request has no effect
    put(nodeInputsOf(scale), lora ? (lora.scale ?? 1) : 0)
  }
  for (const [at, image] of images.entries()) put(nodeInputsOf(nodes.images?.[at]), image)
  for (const id of nodes.output === undefined ? [] : nodeIdsOf(nodes.output))
    filled[id] = { ...filled[id]!, $result: true }
  return filled as unknown as Json
}
