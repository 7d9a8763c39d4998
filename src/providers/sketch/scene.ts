/** Words and a seed → a scene. The same words, seed and numbers always give the same pixels. */
import { createHash } from 'node:crypto'
import {
  type Canvas,
  type Colour,
  createCanvas,
  ellipse,
  gradient,
  mix,
  polygon,
  type Random,
  write,
} from './canvas.ts'
import { animal, city, flowers, house, mountain, trees, waves } from './things.ts'

export interface SceneWish {
  prompt: string
  width: number
  height: number
  seed: string
  /** More steps, more detail: 1–50. */
  steps: number
  /** 0–20: how far the words' colours go. */
  guidance: number
  /** Things whose words stand here are left out. */
  negative: string
}

/** Words that colour the sky: from above to the horizon, and the ground. The first that occurs decides. */
const moods: readonly [RegExp, Colour, Colour, Colour][] = [
  [/night|dark|midnight|moon|star|夜/i, [12, 18, 52], [60, 60, 120], [18, 26, 46]],
  [/sunset|dusk|evening|autumn|fire|日落|黄昏/i, [72, 44, 110], [255, 150, 84], [70, 42, 60]],
  [/dawn|morning|sunrise|清晨/i, [120, 160, 220], [255, 214, 180], [96, 120, 96]],
  [/snow|winter|ice|冬|雪/i, [150, 184, 214], [232, 240, 248], [238, 244, 250]],
  [/sea|ocean|beach|lake|海/i, [96, 176, 232], [206, 236, 250], [38, 110, 158]],
  [/forest|wood|jungle|green|森林/i, [130, 190, 200], [222, 238, 210], [44, 94, 62]],
  [/desert|sand|沙漠/i, [120, 176, 220], [250, 226, 180], [218, 172, 110]],
  [/space|galaxy|planet|宇宙/i, [8, 6, 28], [50, 22, 84], [30, 24, 60]],
]

export function drawScene(wish: SceneWish): Canvas {
  const canvas = createCanvas(wish.width, wish.height)
  const random = randomOf(`${wish.prompt}\n${wish.seed}`)
  const wants = (words: RegExp) => words.test(wish.prompt) && !words.test(wish.negative)
  const [top, low, ground] = paletteOf(wish, random)
  const dark = top[0] + top[1] + top[2] < 240
  gradient(canvas, top, low)
  if (dark) stars(canvas, random, 20 + wish.steps * 3)
  sun(canvas, random, dark)
  if (!dark) clouds(canvas, random, 2 + Math.floor(wish.steps / 8))
  hills(canvas, random, { ground, low, layers: 2 + Math.min(4, Math.floor(wish.steps / 8)) })
  if (wants(/sea|ocean|beach|lake|river|海/i)) waves(canvas, random, mix([38, 110, 158], top, 0.3))
  if (wants(/city|town|street|tower|skyline|城市/i)) city(canvas, random, mix(ground, [20, 20, 40], 0.5))
  if (wants(/mountain|alps|peak|山/i)) mountain(canvas, random, mix(ground, low, 0.35))
  if (wants(/forest|tree|wood|jungle|garden|park|森林|树/i)) trees(canvas, random, mix(ground, [16, 60, 40], 0.6))
  if (wants(/house|home|cottage|hut|cabin|房|屋/i)) house(canvas, random)
  if (wants(/flower|rose|tulip|garden|花/i)) flowers(canvas, random)
  if (wants(/cat|kitten|猫/i)) animal(canvas, random, 'cat')
  else if (wants(/dog|puppy|fox|wolf|狗/i)) animal(canvas, random, 'dog')
  return canvas
}

/** What it is, and of what: nobody shall take a sketch for more. */
export function label(canvas: Canvas, prompt: string): void {
  const size = Math.max(1, Math.round(Math.min(canvas.width, canvas.height) / 320))
  const margin = size * 4
  const letters = Math.max(6, Math.floor((canvas.width - 2 * margin) / (6 * size)))
  const text = `SKETCH · ${prompt}`.slice(0, letters)
  const top = canvas.height - 7 * size - 2 * margin
  polygon(
    canvas,
    [
      [0, top],
      [canvas.width, top],
      [canvas.width, canvas.height],
      [0, canvas.height],
    ],
    [0, 0, 0],
    0.45,
  )
  write(canvas, text, { x: margin, y: top + margin, size }, [255, 255, 255])
}

/** A stream of numbers from 0 to 1 that the text decides (mulberry32 over a hash of it). */
function randomOf(text: string): Random {
  let state = createHash('sha256').update(text).digest().readUInt32LE(0)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

function paletteOf({ prompt, guidance }: SceneWish, random: Random): [Colour, Colour, Colour] {
  const own: Colour = [90 + random() * 120, 140 + random() * 80, 190 + random() * 60]
  const [, top, low, ground] = moods.find(([words]) => words.test(prompt)) ?? [
    /./,
    own,
    mix(own, [255, 244, 230], 0.75),
    [70 + random() * 60, 120 + random() * 50, 70 + random() * 40] as Colour,
  ]
  const strength = Math.min(1.4, 0.6 + guidance / 9)
  const vivid = (colour: Colour): Colour => {
    const grey = (colour[0] + colour[1] + colour[2]) / 3
    return colour.map((value) => Math.max(0, Math.min(255, grey + (value - grey) * strength))) as unknown as Colour
  }
  const tint: Colour = [random() * 255, random() * 255, random() * 255]
  return [mix(vivid(top), tint, 0.08), mix(vivid(low), tint, 0.06), vivid(ground)]
}

function stars(canvas: Canvas, random: Random, count: number): void {
  for (let n = 0; n < count; n++) {
    const r = 0.6 + random() * canvas.width * 0.0016
    ellipse(
      canvas,
      { x: random() * canvas.width, y: random() * canvas.height * 0.6, rx: r, ry: r },
      [255, 255, 235],
      0.4 + random() * 0.6,
    )
  }
}

function sun(canvas: Canvas, random: Random, dark: boolean): void {
  const size = Math.min(canvas.width, canvas.height)
  const r = size * (0.06 + random() * 0.05)
  const [x, y] = [canvas.width * (0.15 + random() * 0.7), canvas.height * (0.14 + random() * 0.22)]
  const colour: Colour = dark ? [240, 240, 222] : [255, 236, 160]
  for (const [halo, opacity] of [
    [2.4, 0.1],
    [1.7, 0.16],
    [1, 1],
  ] as const)
    ellipse(canvas, { x, y, rx: r * halo, ry: r * halo }, colour, opacity)
}

function clouds(canvas: Canvas, random: Random, count: number): void {
  for (let n = 0; n < count; n++) {
    const [x, y, r] = [
      random() * canvas.width,
      canvas.height * (0.08 + random() * 0.28),
      canvas.height * (0.02 + random() * 0.03),
    ]
    for (let puff = 0; puff < 4; puff++) {
      const at = { x: x + (puff - 1.5) * r * 1.5, y: y + (random() - 0.5) * r, rx: r * (1.3 + random()), ry: r }
      ellipse(canvas, at, [255, 255, 255], 0.55)
    }
  }
}

function hills(
  canvas: Canvas,
  random: Random,
  { ground, low, layers }: { ground: Colour; low: Colour; layers: number },
): void {
  const { width, height } = canvas
  for (let layer = 0; layer < layers; layer++) {
    const depth = layer / Math.max(1, layers - 1)
    const base = height * (0.56 + depth * 0.26)
    const waves = [1, 2, 3].map((n) => ({
      size: (height * 0.05) / n,
      length: (n * 2 * Math.PI) / width,
      shift: random() * 9,
    }))
    const points: [number, number][] = [[0, height]]
    for (let x = 0; x <= width; x += Math.max(2, width / 160)) {
      points.push([
        x,
        base + waves.reduce((sum, { size, length, shift }) => sum + Math.sin(x * length + shift) * size, 0),
      ])
    }
    points.push([width, base], [width, height])
    polygon(canvas, points, mix(mix(low, ground, 0.45), ground, depth))
  }
}
