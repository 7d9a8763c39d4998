/**
 * Workflow packs: an operator's own ComfyUI graph, and which of its inputs a request may set (docs/workflow-packs.md).
 * One JSON file each: `{ "manifest": …, "graph": … }`.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import type { ImageRef, Model, PictureRequest, Route } from '../../core/ports/models.ts'
import type { Json } from '../../db/json.ts'
import { seedNumber } from './input.ts'
import { type Graph, graphMistakes, graphShape, uiFormat } from './pack-graph.ts'
import { type Manifest, manifestShape, type Place, placesOf, takesOf } from './pack-manifest.ts'

/** All that is wrong with a pack, each with its cure. */
export class PackError extends Error {
  readonly mistakes: readonly string[]
  constructor(mistakes: readonly string[]) {
    super(mistakes.join('; '))
    this.name = 'PackError'
    this.mistakes = mistakes
  }
}

const sizeLimit = 2 * 1024 * 1024
const packLimit = 200

/** Throws PackError. */
export function readPack(text: string): Model {
  const { manifest, graph } = parse(text)
  const mistakes = graphMistakes(graph, manifest)
  if (mistakes.length > 0) throw new PackError(mistakes)
  const { id, aliases, title, price, hidden } = manifest
  const route: Route = {
    provider: 'comfyui',
    endpoint: `pack/${id}`,
    takes: takesOf(manifest, graph),
    input: (request, images) => fill(graph, { manifest, request, images }),
  }
  return { id, aliases, title, price, hidden, routes: [route] }
}

/** Every `*.json` of a folder. A folder that is not there has no packs. */
export async function readPacks(folder: string): Promise<{ models: Model[]; mistakes: string[] }> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const files = names.filter((name) => name.endsWith('.json')).sort()
  const models: Model[] = []
  const mistakes = files.length > packLimit ? [`only the first ${packLimit} packs are read`] : []
  for (const name of files.slice(0, packLimit)) {
    try {
      models.push(await readFileAsPack(join(folder, name)))
    } catch (error) {
      const found = error instanceof PackError ? error.mistakes : [(error as Error).message]
      mistakes.push(...found.map((mistake) => `${name}: ${mistake}`))
    }
  }
  return { models, mistakes }
}

async function readFileAsPack(path: string): Promise<Model> {
  const { size } = await stat(path)
  if (size > sizeLimit) throw new PackError([tooLarge])
  return readPack(await readFile(path, 'utf8'))
}

const tooLarge = `a pack may have ${sizeLimit / 1024 / 1024} MiB at most`

function parse(text: string): { manifest: Manifest; graph: Graph } {
  if (text.length > sizeLimit) throw new PackError([tooLarge])
  const file = jsonOf(text)
  if (typeof file !== 'object' || file === null) throw new PackError(['a pack is { "manifest": {…}, "graph": {…} }'])
  const { manifest: rawManifest, graph: rawGraph, ...rest } = file as Record<string, unknown>
  const ui = uiFormat(rawGraph ?? file)
  if (ui) throw new PackError([ui])
  const manifest = manifestShape.safeParse(rawManifest ?? {})
  const graph = graphShape.safeParse(rawGraph ?? {})
  const mistakes = [
    ...Object.keys(rest).map((name) => `"${name}" is not known: a pack has "manifest" and "graph" only`),
    ...(rawManifest === undefined ? ['"manifest" is missing'] : wordsOf('manifest', manifest.error)),
    ...(rawGraph === undefined
      ? ['"graph" is missing: paste the exported graph there']
      : wordsOf('graph', graph.error)),
  ]
  if (mistakes.length > 0 || !manifest.success || !graph.success) throw new PackError(mistakes)
  return { manifest: manifest.data, graph: graph.data as Graph }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new PackError([`it is not JSON: ${(error as Error).message}`])
  }
}

function wordsOf(part: string, error: z.ZodError | undefined): string[] {
  return (error?.issues ?? []).map(({ path, message }) => `${[part, ...path].join('.')}: ${message}`)
}

interface Filling {
  manifest: Manifest
  request: PictureRequest
  images: readonly ImageRef[]
}

/** What was not asked for stays as the graph has it; but a seed that never changes would draw the same picture again. */
function fill(graph: Graph, { manifest: { nodes }, request, images }: Filling): Json {
  const filled = structuredClone(graph)
  const put = (places: readonly Place[], value: Json | undefined) => {
    if (value === undefined) return
    for (const { node, input } of places) filled[node]!.inputs[input] = value
  }
  const { width, height, steps, guidance, strength, negative, seed } = request
  put(placesOf(nodes.prompt), request.prompt)
  put(placesOf(nodes.negative), negative)
  put(placesOf(nodes.width), width || undefined)
  put(placesOf(nodes.height), height || undefined)
  put(placesOf(nodes.seed), seedNumber(seed) ?? { $seed: true })
  put(placesOf(nodes.steps), steps)
  put(placesOf(nodes.guidance), guidance)
  put(placesOf(nodes.strength), strength)
  put(placesOf(nodes.count), request.count)
  for (const [at, image] of images.entries()) put(placesOf(nodes.images?.[at]), image)
  return filled as unknown as Json
}
