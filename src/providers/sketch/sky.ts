/** The sky: sun, moon, stars, clouds, weather, and things that fly. */
import { type Canvas, type Colour, ellipse, glow, line, mix, polygon, type Random } from './canvas.ts'
import type { Palette } from './palette.ts'

const white: Colour = [255, 255, 255]

export function stars(canvas: Canvas, random: Random, count: number): void {
  const unit = Math.min(canvas.width, canvas.height) / 1000
  for (let n = 0; n < count; n++) {
    const bright = random() ** 3
    const [x, y, r] = [random() * canvas.width, random() ** 1.4 * canvas.height * 0.62, unit * (0.9 + bright * 2)]
    if (bright > 0.75) glow(canvas, { x, y, r: r * 6 }, [190, 205, 255], 0.5)
    ellipse(canvas, { x, y, rx: r, ry: r }, [255, 252, 235], 0.45 + bright * 0.55)
  }
}

export function sun(canvas: Canvas, random: Random, { dark, late }: Palette): void {
  const size = Math.min(canvas.width, canvas.height)
  const r = size * (0.055 + random() * 0.035)
  const x = canvas.width * (random() < 0.5 ? 0.14 + random() * 0.2 : 0.66 + random() * 0.2)
  const y = canvas.height * (late ? 0.44 + random() * 0.06 : 0.13 + random() * 0.14)
  const warm: Colour = late ? [255, 206, 120] : [255, 240, 178]
  glow(canvas, { x, y, r: r * (late ? 7 : 4.5) }, dark ? [150, 170, 230] : warm, dark ? 0.45 : 0.75)
  ellipse(canvas, { x, y, rx: r, ry: r }, dark ? [246, 242, 222] : mix(warm, white, 0.35))
  if (!dark) return
  for (const [dx, dy, share] of [
    [-0.35, -0.2, 0.2],
    [0.25, 0.3, 0.26],
    [0.3, -0.4, 0.13],
  ] as const) {
    ellipse(canvas, { x: x + dx * r, y: y + dy * r, rx: r * share, ry: r * share }, [222, 216, 198])
  }
}

/** Clouds that are flat below and heaped above. */
export function clouds(canvas: Canvas, random: Random, { palette, count }: { palette: Palette; count: number }): void {
  const unit = Math.min(canvas.width, canvas.height)
  for (let n = 0; n < count; n++) {
    const far = n / count
    const [x, y] = [((n + random()) / count) * canvas.width, canvas.height * (0.07 + random() * 0.27)]
    const w = unit * (0.09 + random() * 0.08) * (1.2 - far * 0.5)
    const shade = mix(white, palette.low, 0.45)
    for (const [dx, dy, rx, ry] of [
      [-0.75, 0.04, 0.42, 0.17],
      [0.78, 0.05, 0.4, 0.15],
      [-0.3, -0.12, 0.4, 0.29],
      [0.28, -0.16 - random() * 0.1, 0.46, 0.34],
      [0, 0.07, 1.05, 0.14],
    ] as const) {
      ellipse(canvas, { x: x + dx * w, y: y + dy * w + w * 0.035, rx: rx * w, ry: ry * w }, shade)
    }
    for (const [dx, dy, rx, ry] of [
      [-0.72, 0.02, 0.36, 0.14],
      [-0.3, -0.14, 0.36, 0.26],
      [0.28, -0.2, 0.4, 0.3],
      [0.1, 0.02, 0.8, 0.1],
    ] as const) {
      ellipse(canvas, { x: x + dx * w, y: y + dy * w, rx: rx * w, ry: ry * w }, white, 0.9)
    }
  }
}

export function rainbow(canvas: Canvas, random: Random): void {
  const { width, height } = canvas
  const [x, y, r] = [width * (0.35 + random() * 0.3), height * 0.72, Math.min(width * 0.45, height * 0.6)]
  const bands: readonly Colour[] = [
    [228, 70, 70],
    [244, 150, 60],
    [250, 220, 90],
    [96, 190, 100],
    [80, 140, 220],
    [140, 90, 190],
  ]
  for (const [index, colour] of bands.entries()) {
    const [outer, thick] = [r * (1 - index * 0.035), r * 0.036]
    for (let step = 0; step < 90; step++) {
      const at = (turn: number) => [x + Math.cos(turn) * outer, y - Math.sin(turn) * outer] as const
      line(canvas, [at((step / 90) * Math.PI), at(((step + 1) / 90) * Math.PI)], thick, colour, 0.6)
    }
  }
}

export function birds(canvas: Canvas, random: Random, { dark }: Palette): void {
  const { width, height } = canvas
  const [cx, cy] = [width * (0.3 + random() * 0.4), height * (0.18 + random() * 0.15)]
  for (let n = 0; n < 7; n++) {
    const size = Math.min(width, height) * (0.014 + random() * 0.016)
    const [x, y] = [cx + (random() - 0.5) * width * 0.4, cy + (random() - 0.5) * height * 0.2]
    for (const side of [-1, 1]) {
      const wing = [
        [x, y],
        [x + side * size * 0.7, y - size * 0.75],
        [x + side * size * 1.6, y - size * 0.35],
        [x + side * size * 0.7, y - size * 0.5],
      ] as const
      polygon(canvas, wing, dark ? [200, 205, 230] : [52, 56, 76])
    }
  }
}

export function balloon(canvas: Canvas, random: Random): void {
  const size = Math.min(canvas.width, canvas.height) * 0.13
  const [x, y] = [canvas.width * (0.4 + random() * 0.25), canvas.height * (0.24 + random() * 0.08)]
  for (const side of [-1, 1]) {
    line(
      canvas,
      [
        [x + side * size * 0.5, y + size * 0.7],
        [x + side * size * 0.13, y + size * 1.35],
      ],
      size * 0.02,
      [90, 70, 60],
    )
  }
  for (const [share, colour] of [
    [1, [222, 78, 72]],
    [0.68, [250, 206, 92]],
    [0.3, [222, 78, 72]],
  ] as const) {
    ellipse(canvas, { x, y, rx: size * 0.8 * share, ry: size * 0.85 }, colour)
    const cone = [
      [x - size * 0.7 * share, y + size * 0.4],
      [x + size * 0.7 * share, y + size * 0.4],
      [x + size * 0.16 * share, y + size * 1.12],
      [x - size * 0.16 * share, y + size * 1.12],
    ] as const
    polygon(canvas, cone, colour)
  }
  ellipse(canvas, { x, y: y + size * 1.42, rx: size * 0.16, ry: size * 0.13 }, [132, 88, 52])
}

export function planet(canvas: Canvas, random: Random): void {
  const r = Math.min(canvas.width, canvas.height) * (0.1 + random() * 0.05)
  const [x, y] = [canvas.width * (0.4 + random() * 0.2), canvas.height * (0.26 + random() * 0.1)]
  const body: Colour = [150 + random() * 100, 100 + random() * 80, 90 + random() * 120]
  glow(canvas, { x, y, r: r * 2 }, body, 0.4)
  ellipse(canvas, { x, y, rx: r * 1.9, ry: r * 0.34 }, mix(body, white, 0.5), 0.55)
  ellipse(canvas, { x, y, rx: r, ry: r }, body)
  ellipse(canvas, { x: x - r * 0.2, y: y - r * 0.22, rx: r * 0.7, ry: r * 0.68 }, mix(body, white, 0.3), 0.5)
  for (let step = 0; step < 40; step++) {
    const at = (turn: number) => [x + Math.cos(turn) * r * 1.8, y + Math.sin(turn) * r * 0.3] as const
    line(canvas, [at((step / 40) * Math.PI), at(((step + 1) / 40) * Math.PI)], r * 0.13, mix(body, white, 0.65))
  }
}

export function snowfall(canvas: Canvas, random: Random): void {
  for (let n = 0; n < 220; n++) {
    const r = (Math.min(canvas.width, canvas.height) / 1000) * (1.4 + random() ** 2 * 4)
    ellipse(
      canvas,
      { x: random() * canvas.width, y: random() * canvas.height, rx: r, ry: r },
      white,
      0.55 + random() * 0.4,
    )
  }
}

export function rain(canvas: Canvas, random: Random): void {
  const unit = Math.min(canvas.width, canvas.height) / 1000
  for (let n = 0; n < 260; n++) {
    const [x, y, long] = [random() * canvas.width * 1.1, random() * canvas.height, unit * (18 + random() * 26)]
    line(
      canvas,
      [
        [x, y],
        [x - long * 0.25, y + long],
      ],
      Math.max(1, unit * 1.8),
      [226, 236, 246],
      0.45,
    )
  }
}
