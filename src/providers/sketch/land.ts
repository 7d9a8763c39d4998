/** The land: hills, mountains and the sea. */
import { type Canvas, type Colour, ellipse, mix, type Point, polygon, type Random, rectangle } from './canvas.ts'
import type { Palette } from './palette.ts'

const white: Colour = [255, 255, 255]

/** Rolling hills in layers; nearer layers have stronger colours. */
export function hills(canvas: Canvas, random: Random, { palette, layers }: { palette: Palette; layers: number }): void {
  const { low, ground, dark } = palette
  for (let layer = 0; layer < layers; layer++) {
    const depth = layer / Math.max(1, layers - 1)
    const far = mix(mix(low, ground, dark ? 0.6 : 0.42), palette.top, 0.12)
    const colour = mix(far, ground, depth)
    const points = ridge(canvas, random, canvas.height * (0.56 + depth * 0.28))
    polygon(canvas, points, colour)
    // the crest catches the light
    const lit = points.map(([x, y]): Point => [x, y + canvas.height * 0.012])
    polygon(canvas, lit, mix(colour, ground, 0.25))
  }
}

function ridge({ width, height }: Canvas, random: Random, base: number): Point[] {
  const waves = [1, 2, 3].map((n) => ({
    size: (height * 0.042) / n,
    length: (n * 2 * Math.PI * (0.6 + random() * 0.5)) / width,
    shift: random() * 9,
  }))
  const points: Point[] = []
  for (let n = 0; n <= 120; n++) {
    const x = (n / 120) * width
    const rise = waves.reduce((sum, { size, length, shift }) => sum + Math.sin(x * length + shift) * size, 0)
    points.push([x, base + rise])
  }
  // below the canvas, because the lit part is drawn lower
  points.push([width, height * 1.1], [0, height * 1.1])
  return points
}

export function mountain(canvas: Canvas, random: Random, { top, low, dark }: Palette): void {
  const { width, height } = canvas
  const base = height * 0.7
  for (let n = 0; n < 5; n++) {
    const near = n >= 3
    const [x, w] = [
      width * (0.08 + ((n * 2) % 5) * 0.21 + random() * 0.08),
      Math.min(width, height) * (0.26 + random() * 0.14),
    ]
    const h = height * ((near ? 0.22 : 0.32) + random() * 0.14)
    const rock = mix(mix([104, 110, 138], low, near ? 0.15 : 0.4), top, dark ? 0.5 : 0.1)
    const shade = mix(rock, [40, 44, 80], 0.3)
    polygon(
      canvas,
      [
        [x - w, base],
        [x, base - h],
        [x + w, base],
      ],
      rock,
    )
    polygon(
      canvas,
      [
        [x, base - h],
        [x + w, base],
        [x + w * 0.12, base],
        [x - w * 0.07, base - h * 0.5],
      ],
      shade,
    )
    const snow = [
      [x - w * 0.3, base - h * 0.7],
      [x, base - h],
      [x + w * 0.3, base - h * 0.7],
      [x + w * 0.16, base - h * 0.74],
      [x + w * 0.06, base - h * 0.64],
      [x - w * 0.06, base - h * 0.73],
      [x - w * 0.16, base - h * 0.66],
    ] as const
    polygon(canvas, snow, dark ? [178, 188, 222] : [250, 251, 255])
  }
}

/** Water that mirrors the sky, with a shore in front. */
export function sea(canvas: Canvas, random: Random, palette: Palette): void {
  const { width, height } = canvas
  const [from, to] = [height * 0.6, height]
  const deep = mix(palette.dark ? [16, 40, 84] : [30, 104, 158], palette.top, 0.3)
  const bands = 48
  for (let band = 0; band < bands; band++) {
    const depth = band / (bands - 1)
    const y = from + ((to - from) * band) / bands
    rectangle(
      canvas,
      { x: 0, y, w: width, h: (to - from) / bands + 1 },
      mix(mix(palette.low, deep, 0.55), deep, Math.min(1, depth * 1.6)),
    )
  }
  for (let n = 0; n < 90; n++) {
    const depth = random()
    const rx = width * (0.008 + depth * 0.035)
    const at = { x: random() * width, y: from + 3 + depth * (height * 0.28), rx, ry: 0.8 + depth * height * 0.0022 }
    ellipse(canvas, at, mix(palette.low, white, 0.5), 0.16 + random() * 0.2)
  }
  shore(canvas, random, palette)
}

function shore(canvas: Canvas, random: Random, palette: Palette): void {
  const sand = mix(palette.dark ? [66, 64, 88] : [236, 208, 152], palette.low, 0.22)
  const line = ridge({ ...canvas, height: canvas.height * 0.5 }, random, canvas.height * 0.84)
  const below = line.map(([x, y]): Point => [x, y > canvas.height * 0.5 ? y : canvas.height])
  const wet = below.slice(0, -2).map(([x, y]): Point => [x, y])
  const close: Point[] = [
    [canvas.width, canvas.height * 1.1],
    [0, canvas.height * 1.1],
  ]
  polygon(
    canvas,
    [...wet.map(([x, y]): Point => [x, y - canvas.height * 0.012]), ...close],
    white,
    palette.dark ? 0.3 : 0.75,
  )
  polygon(canvas, [...wet, ...close], mix(sand, [120, 90, 60], 0.18))
  polygon(canvas, [...wet.map(([x, y]): Point => [x, y + canvas.height * 0.018]), ...close], sand)
}
