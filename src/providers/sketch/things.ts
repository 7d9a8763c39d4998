/** Things that a scene contains when the prompt mentions them. */
import {
  type Canvas,
  type Colour,
  ellipse,
  glow,
  line,
  mix,
  type Point,
  polygon,
  type Random,
  rectangle,
} from './canvas.ts'
import type { Palette } from './palette.ts'

const lamp: Colour = [255, 222, 138]

export function city(canvas: Canvas, random: Random, palette: Palette): void {
  const { width, height } = canvas
  const unit = Math.min(width, height)
  for (const [row, base, tall] of [
    [0, 0.76, 0.44],
    [1, 0.84, 0.3],
  ] as const) {
    for (let x = -unit * 0.03; x < width; ) {
      const [w, h] = [unit * (0.07 + random() * 0.06), height * tall * (0.4 + random() * 0.6)]
      const wall = palette.dark
        ? mix([26, 28, 52], [60, 66, 110], random() * 0.6)
        : mix([120, 128, 152], palette.low, row ? random() * 0.3 : 0.5)
      tower(canvas, random, { x, y: height * base - h, w, h, wall, lit: palette.dark || palette.late ? 0.5 : 0.12 })
      x += w * 1.06
    }
  }
  rectangle(canvas, { x: 0, y: height * 0.84, w: width, h: height * 0.16 }, mix(palette.ground, [70, 74, 88], 0.5))
}

function tower(
  canvas: Canvas,
  random: Random,
  { x, y, w, h, wall, lit }: { x: number; y: number; w: number; h: number; wall: Colour; lit: number },
): void {
  rectangle(canvas, { x, y, w, h }, wall)
  rectangle(canvas, { x: x + w * 0.82, y, w: w * 0.18, h }, mix(wall, [0, 0, 20], 0.18))
  if (random() < 0.25)
    line(
      canvas,
      [
        [x + w / 2, y],
        [x + w / 2, y - w * 0.5],
      ],
      Math.max(1, w * 0.04),
      wall,
    )
  const pane = w / 9
  for (let wy = y + pane * 1.5; wy < y + h - pane; wy += pane * 2.4) {
    for (let wx = x + pane; wx < x + w * 0.8 - pane; wx += pane * 2) {
      const colour = random() < lit ? lamp : mix(wall, [20, 26, 60], 0.28)
      rectangle(canvas, { x: wx, y: wy, w: pane, h: pane * 1.4 }, colour, 0.9)
    }
  }
}

/** Firs and round trees; farther ones are smaller. */
export function trees(canvas: Canvas, random: Random, palette: Palette): void {
  const places = Array.from({ length: 16 }, (_, n) => ({
    x: ((n * 7) % 16) / 15 + (random() - 0.5) * 0.07,
    depth: n / 15,
  }))
  for (const { x, depth } of places) {
    const size = canvas.height * (0.09 + depth * 0.15)
    const at: Point = [x * canvas.width, canvas.height * (0.68 + depth * 0.2)]
    const light = mix(palette.low, palette.ground, 0.5)
    const leaves = mix(mix([34, 92, 58], [96, 150, 70], random()), light, palette.dark ? 0.66 : 0.34 * (1 - depth))
    if (random() < 0.68) fir(canvas, at, size, leaves)
    else roundTree(canvas, at, size * 0.85, leaves)
  }
}

function fir(canvas: Canvas, [x, y]: Point, size: number, leaves: Colour): void {
  rectangle(
    canvas,
    { x: x - size * 0.045, y: y - size * 0.25, w: size * 0.09, h: size * 0.25 },
    mix([92, 66, 48], leaves, 0.2),
  )
  for (let tier = 0; tier < 3; tier++) {
    const [base, w] = [y - size * (0.18 + tier * 0.24), size * (0.36 - tier * 0.08)]
    const colour = mix(leaves, [190, 220, 150], tier * 0.08)
    polygon(
      canvas,
      [
        [x - w, base],
        [x, base - size * 0.42],
        [x + w, base],
      ],
      colour,
    )
    polygon(
      canvas,
      [
        [x, base],
        [x, base - size * 0.42],
        [x + w, base],
      ],
      mix(colour, [10, 30, 40], 0.14),
    )
  }
}

function roundTree(canvas: Canvas, [x, y]: Point, size: number, leaves: Colour): void {
  rectangle(
    canvas,
    { x: x - size * 0.05, y: y - size * 0.5, w: size * 0.1, h: size * 0.5 },
    mix([104, 74, 52], leaves, 0.2),
  )
  for (const [dx, dy, r, light] of [
    [0, -0.62, 0.34, 0],
    [-0.2, -0.5, 0.24, 0],
    [0.2, -0.5, 0.24, 0],
    [-0.07, -0.7, 0.22, 0.14],
  ] as const) {
    ellipse(
      canvas,
      { x: x + dx * size, y: y + dy * size, rx: r * size, ry: r * size },
      mix(leaves, [214, 232, 150], light),
    )
  }
}

const walls: readonly [RegExp, Colour][] = [
  [/\bred\b|红/i, [206, 66, 56]],
  [/\bblue\b|蓝/i, [84, 130, 190]],
  [/\byellow\b|黄色/i, [240, 200, 96]],
  [/\bgreen\b|绿/i, [110, 160, 110]],
  [/\bpink\b|粉/i, [238, 160, 178]],
  [/\bwhite\b|白/i, [244, 240, 230]],
]

/** A house in the colour that the prompt names. */
export function house(canvas: Canvas, random: Random, { dark, late, ground }: Palette, prompt: string): void {
  const size = Math.min(canvas.width, canvas.height) * 0.3
  const [x, y] = [canvas.width * (0.3 + random() * 0.4), canvas.height * 0.885]
  const named = walls.find(([words]) => words.test(prompt))?.[1] ?? mix([232, 206, 168], [206, 96, 76], random())
  const wall = mix(named, [30, 34, 80], dark ? 0.45 : 0)
  const roof = mix([96, 62, 66], [40, 44, 80], dark ? 0.4 : 0)
  const window = dark || late ? lamp : ([190, 222, 240] as Colour)
  ellipse(canvas, { x, y, rx: size * 0.72, ry: size * 0.06 }, mix(ground, [0, 0, 20], 0.5), 0.35)
  rectangle(canvas, { x: x + size * 0.22, y: y - size * 1.08, w: size * 0.12, h: size * 0.4 }, mix(roof, wall, 0.3))
  rectangle(canvas, { x: x - size * 0.5, y: y - size * 0.6, w: size, h: size * 0.6 }, wall)
  rectangle(
    canvas,
    { x: x + size * 0.3, y: y - size * 0.6, w: size * 0.2, h: size * 0.6 },
    mix(wall, [20, 10, 40], 0.14),
  )
  polygon(
    canvas,
    [
      [x - size * 0.62, y - size * 0.57],
      [x, y - size * 1.08],
      [x + size * 0.62, y - size * 0.57],
    ],
    roof,
  )
  polygon(
    canvas,
    [
      [x, y - size * 1.08],
      [x + size * 0.62, y - size * 0.57],
      [x + size * 0.3, y - size * 0.57],
    ],
    mix(roof, [10, 5, 30], 0.2),
  )
  rectangle(
    canvas,
    { x: x - size * 0.1, y: y - size * 0.36, w: size * 0.2, h: size * 0.36 },
    mix(wall, [50, 28, 26], 0.75),
  )
  ellipse(canvas, { x: x + size * 0.06, y: y - size * 0.17, rx: size * 0.015, ry: size * 0.015 }, lamp)
  for (const side of [-0.31, 0.31]) {
    const [wx, wy] = [x + side * size, y - size * 0.34]
    if (window === lamp) glow(canvas, { x: wx, y: wy, r: size * 0.3 }, lamp, 0.5)
    rectangle(canvas, { x: wx - size * 0.1, y: wy - size * 0.1, w: size * 0.2, h: size * 0.2 }, [246, 240, 228])
    rectangle(canvas, { x: wx - size * 0.08, y: wy - size * 0.08, w: size * 0.16, h: size * 0.16 }, window)
    rectangle(canvas, { x: wx - size * 0.008, y: wy - size * 0.08, w: size * 0.016, h: size * 0.16 }, [246, 240, 228])
    rectangle(canvas, { x: wx - size * 0.08, y: wy - size * 0.008, w: size * 0.16, h: size * 0.016 }, [246, 240, 228])
  }
}

export function boat(canvas: Canvas, random: Random): void {
  const size = Math.min(canvas.width, canvas.height) * 0.24
  const [x, y] = [canvas.width * (0.32 + random() * 0.36), canvas.height * 0.72]
  const hull: Colour = random() < 0.5 ? [188, 70, 60] : [58, 92, 140]
  ellipse(canvas, { x, y: y + size * 0.2, rx: size * 0.62, ry: size * 0.05 }, [16, 40, 70], 0.3)
  line(
    canvas,
    [
      [x, y],
      [x, y - size * 1.05],
    ],
    size * 0.03,
    [110, 78, 54],
  )
  polygon(
    canvas,
    [
      [x + size * 0.04, y - size],
      [x + size * 0.52, y - size * 0.1],
      [x + size * 0.04, y - size * 0.1],
    ],
    [252, 248, 238],
  )
  polygon(
    canvas,
    [
      [x - size * 0.04, y - size * 0.86],
      [x - size * 0.42, y - size * 0.1],
      [x - size * 0.04, y - size * 0.1],
    ],
    [240, 222, 192],
  )
  polygon(
    canvas,
    [
      [x - size * 0.56, y],
      [x + size * 0.62, y],
      [x + size * 0.4, y + size * 0.2],
      [x - size * 0.38, y + size * 0.2],
    ],
    hull,
  )
  rectangle(canvas, { x: x - size * 0.55, y, w: size * 1.15, h: size * 0.035 }, [250, 246, 236])
}

export function flowers(canvas: Canvas, random: Random): void {
  const { width, height } = canvas
  const unit = Math.min(width, height)
  for (let n = 0; n < 34; n++) {
    const depth = n / 33
    const [x, y, r] = [
      random() * width,
      height * (0.8 + depth * 0.14),
      unit * (0.008 + depth * 0.009 + random() * 0.003),
    ]
    const petals = mix(mix([236, 76, 110], [250, 176, 80], random()), [188, 120, 230], random() * 0.8)
    line(
      canvas,
      [
        [x, y],
        [x + r * 0.5, y + r * 4],
      ],
      Math.max(1, r * 0.3),
      [58, 120, 62],
    )
    for (let petal = 0; petal < 6; petal++) {
      const turn = (petal / 6) * 2 * Math.PI
      ellipse(canvas, { x: x + Math.cos(turn) * r, y: y + Math.sin(turn) * r, rx: r * 0.7, ry: r * 0.7 }, petals)
    }
    ellipse(canvas, { x, y, rx: r * 0.6, ry: r * 0.6 }, [255, 216, 84])
  }
}
