/**
 * `npx tsx bench/flame.ts <profile> <picture> <title>`: draws a processor profile of Node (`node --cpu-prof`) as a flame graph in
 * SVG, and prints which part of the service the time went to. The wider a bar, the more time; below it stands what it called. The time
 * of loading modules and of waiting is left out.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { printTable, say } from './parts/figures.ts'

interface Frame {
  functionName: string
  url: string
}

interface Profile {
  nodes: { id: number; callFrame: Frame; children?: number[] }[]
  samples: number[]
  /** Microseconds. */
  timeDeltas: number[]
}

interface Bar {
  frame: Frame
  /** Microseconds, with those of what it called. */
  time: number
  below: Map<string, Bar>
}

/** The first that fits a file. */
const areas = [
  { name: 'fluxbot', color: '#e4733c', fits: /^(?!.*node_modules).*\/(src|dist|bench)\// },
  {
    name: 'SQL: postgres, drizzle-orm',
    color: '#4a90d9',
    fits: /node_modules\/(postgres|drizzle-orm|pg[^/]*|@electric-sql)\//,
  },
  { name: 'queue: bullmq, ioredis', color: '#8e6bbf', fits: /node_modules\/(bullmq|ioredis|msgpackr|redis-[^/]*)\// },
  {
    name: 'HTTP: fastify, undici, zod',
    color: '#3da67a',
    fits: /node_modules\/(fastify|@fastify|undici|zod|light-my-request|find-my-way)\//,
  },
  { name: 'pictures: sharp', color: '#c9a227', fits: /node_modules\/(sharp|@img)\// },
  { name: 'other packages', color: '#8a8f98', fits: /node_modules\// },
] as const

const garbage = 'garbage collection'
const nodeItself = 'Node itself'
const colors = new Map<string, string>([
  ...areas.map(({ name, color }) => [name, color] as const),
  [garbage, '#b0413e'],
])

const width = 1200
const rowHeight = 16
/** Pixels below which a bar is not drawn. */
const least = 2
const most = 40

function main([source, target, title]: readonly string[]): void {
  if (!source || !target || !title) {
    say('Usage: npx tsx bench/flame.ts <profile> <picture> <title>')
    process.exit(2)
  }
  const profile: Profile = JSON.parse(readFileSync(source, 'utf8'))
  const { root, shares } = read(profile)
  writeFileSync(target, draw(root, title))
  const rows = [...shares].sort(([, a], [, b]) => b - a)
  printTable([['part', 'share'], ...rows.map(([part, time]) => [part, `${((time / root.time) * 100).toFixed(0)} %`])])
}

function read({ nodes, samples, timeDeltas }: Profile): { root: Bar; shares: Map<string, number> } {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
  const times = new Map<number, number>()
  for (const [at, id] of samples.entries()) times.set(id, (times.get(id) ?? 0) + (timeDeltas[at] ?? 0))
  const root: Bar = { frame: { functionName: 'all', url: '' }, time: 0, below: new Map() }
  const shares = new Map<string, number>()
  for (const [id, time] of times) {
    const frames: Frame[] = []
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = byId.get(at)?.callFrame
      if (frame) frames.unshift(frame)
    }
    if (isLeftOut(frames)) continue
    add(root, frames.filter(isShown), time)
    const area = areaOf(frames)
    shares.set(area, (shares.get(area) ?? 0) + time)
  }
  return { root, shares }
}

const isLeftOut = (frames: readonly Frame[]) =>
  frames.some(({ functionName, url }) => /^\((idle|program)\)$/.test(functionName) || url.includes('internal/modules/'))

/** Every callback begins in the same few functions of Node. */
const isShown = ({ functionName, url }: Frame) =>
  functionName !== '(root)' &&
  !/internal\/(process\/task_queues|async_hooks|timers)/.test(url) &&
  functionName !== 'runMicrotasks'

function add(root: Bar, frames: readonly Frame[], time: number): void {
  root.time += time
  let bar = root
  for (const frame of frames) {
    const name = labelOf(frame)
    const next = bar.below.get(name) ?? { frame, time: 0, below: new Map() }
    bar.below.set(name, next)
    next.time += time
    bar = next
  }
}

/** The innermost function that is not Node's own decides. */
function areaOf(frames: readonly Frame[]): string {
  if (frames.at(-1)?.functionName === '(garbage collector)') return garbage
  const names = frames.toReversed().map(({ url }) => areas.find(({ fits }) => fits.test(url))?.name)
  return names.find((name) => name !== undefined) ?? nodeItself
}

const labelOf = ({ functionName, url }: Frame) =>
  `${functionName || 'anonymous'} ${url.split('/').slice(-2).join('/')}`.trim()

function draw(root: Bar, title: string): string {
  const bars: string[] = []
  let deepest = 0
  const place = (bar: Bar, left: number, depth: number) => {
    const wide = (bar.time / root.time) * width
    if (wide < least || depth > most) return
    deepest = Math.max(deepest, depth)
    const y = (depth + 2) * rowHeight
    const label = labelOf(bar.frame)
    const share = `${((bar.time / root.time) * 100).toFixed(1)} %`
    const text = label.slice(0, Math.floor(wide / 6.5))
    const words = text.length > 2 ? `<text x="${(left + 3).toFixed(1)}" y="${y + 12}">${escaped(text)}</text>` : ''
    const color = colors.get(areaOf([bar.frame])) ?? '#c4c9d1'
    bars.push(
      `<g><title>${escaped(label)} ${share}</title><rect x="${left.toFixed(1)}" y="${y}" width="${Math.max(1, wide - 0.5).toFixed(1)}" height="${rowHeight - 1}" fill="${color}"/>${words}</g>`,
    )
    let next = left
    for (const below of [...bar.below.values()].sort((a, b) => b.time - a.time)) {
      place(below, next, depth + 1)
      next += (below.time / root.time) * width
    }
  }
  place(root, 0, 0)
  const height = (deepest + 4) * rowHeight
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="monospace" font-size="11">
<title>${escaped(title)}</title><rect width="${width}" height="${height}" fill="#fff"/><text x="4" y="18" font-size="14">${escaped(title)}</text>
${bars.join('\n')}
</svg>
`
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

main(process.argv.slice(2))
