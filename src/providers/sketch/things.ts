/** What stands in a scene when its word is said. */
import { type Canvas, type Colour, ellipse, mix, polygon, type Random } from './canvas.ts'

export function waves(canvas: Canvas, random: Random, colour: Colour): void {
  const { width, height } = canvas
  const top = height * 0.68
  polygon(
    canvas,
    [
      [0, top],
      [width, top],
      [width, height],
      [0, height],
    ],
    colour,
  )
  for (let n = 0; n < 40; n++) {
    const depth = random()
    const at = {
      x: random() * width,
      y: top + depth * (height - top),
      rx: width * (0.01 + depth * 0.05),
      ry: 1 + depth * 2,
    }
    ellipse(canvas, at, [255, 255, 255], 0.18)
  }
}

export function city(canvas: Canvas, random: Random, colour: Colour): void {
  const { width, height } = canvas
  for (let x = 0; x < width; ) {
    const [w, h] = [width * (0.03 + random() * 0.05), height * (0.12 + random() * 0.32)]
    const top = height * 0.78 - h
    polygon(
      canvas,
      [
        [x, top],
        [x + w, top],
        [x + w, height * 0.8],
        [x, height * 0.8],
      ],
      mix(colour, [120, 120, 150], random() * 0.3),
    )
    const pane = Math.max(2, w / 9)
    for (let wy = top + pane; wy < height * 0.76; wy += pane * 2.2) {
      for (let wx = x + pane; wx < x + w - pane; wx += pane * 2) {
        if (random() > 0.55)
          polygon(
            canvas,
            [
              [wx, wy],
              [wx + pane, wy],
              [wx + pane, wy + pane],
              [wx, wy + pane],
            ],
            [255, 226, 140],
            0.85,
          )
      }
    }
    x += w * 1.05
  }
}

export function mountain(canvas: Canvas, random: Random, colour: Colour): void {
  const { width, height } = canvas
  for (let n = 0; n < 3; n++) {
    const [x, w, h] = [
      width * (0.15 + n * 0.33 + random() * 0.1),
      width * (0.2 + random() * 0.1),
      height * (0.3 + random() * 0.15),
    ]
    const base = height * 0.72
    polygon(
      canvas,
      [
        [x - w, base],
        [x, base - h],
        [x + w, base],
      ],
      mix(colour, [80, 84, 110], 0.5),
    )
    polygon(
      canvas,
      [
        [x - w * 0.28, base - h * 0.72],
        [x, base - h],
        [x + w * 0.28, base - h * 0.72],
        [x + w * 0.08, base - h * 0.78],
        [x - w * 0.06, base - h * 0.7],
      ],
      [248, 250, 255],
    )
  }
}

export function trees(canvas: Canvas, random: Random, colour: Colour): void {
  const { width, height } = canvas
  const places = Array.from({ length: 14 }, () => ({ x: random() * width, depth: random() })).sort(
    (a, b) => a.depth - b.depth,
  )
  for (const { x, depth } of places) {
    const size = height * (0.08 + depth * 0.14)
    const base = height * (0.72 + depth * 0.2)
    polygon(
      canvas,
      [
        [x - size * 0.05, base],
        [x + size * 0.05, base],
        [x + size * 0.05, base - size * 0.4],
        [x - size * 0.05, base - size * 0.4],
      ],
      [88, 62, 44],
    )
    for (let tier = 0; tier < 3; tier++) {
      const [y, w] = [base - size * (0.25 + tier * 0.3), size * (0.42 - tier * 0.1)]
      polygon(
        canvas,
        [
          [x - w, y],
          [x, y - size * 0.5],
          [x + w, y],
        ],
        mix(colour, [160, 210, 130], tier * 0.12 + random() * 0.06),
      )
    }
  }
}

export function house(canvas: Canvas, random: Random): void {
  const size = Math.min(canvas.width, canvas.height) * 0.2
  const [x, y] = [canvas.width * (0.25 + random() * 0.5), canvas.height * 0.86]
  const wall: Colour = [214, 76, 62]
  polygon(
    canvas,
    [
      [x - size / 2, y],
      [x + size / 2, y],
      [x + size / 2, y - size * 0.6],
      [x - size / 2, y - size * 0.6],
    ],
    wall,
  )
  polygon(
    canvas,
    [
      [x - size * 0.62, y - size * 0.6],
      [x, y - size * 1.1],
      [x + size * 0.62, y - size * 0.6],
    ],
    [92, 56, 58],
  )
  polygon(
    canvas,
    [
      [x - size * 0.1, y],
      [x + size * 0.1, y],
      [x + size * 0.1, y - size * 0.34],
      [x - size * 0.1, y - size * 0.34],
    ],
    [74, 46, 40],
  )
  for (const side of [-0.32, 0.22]) {
    const [wx, wy, w] = [x + side * size, y - size * 0.48, size * 0.16]
    polygon(
      canvas,
      [
        [wx, wy],
        [wx + w, wy],
        [wx + w, wy + w],
        [wx, wy + w],
      ],
      [255, 232, 150],
    )
  }
}

export function flowers(canvas: Canvas, random: Random): void {
  const { width, height } = canvas
  for (let n = 0; n < 26; n++) {
    const [x, y, r] = [random() * width, height * (0.8 + random() * 0.14), height * (0.008 + random() * 0.01)]
    const petals: Colour = [200 + random() * 55, 60 + random() * 150, 100 + random() * 150]
    for (let petal = 0; petal < 5; petal++) {
      const turn = (petal / 5) * 2 * Math.PI
      ellipse(canvas, { x: x + Math.cos(turn) * r, y: y + Math.sin(turn) * r, rx: r * 0.7, ry: r * 0.7 }, petals)
    }
    ellipse(canvas, { x, y, rx: r * 0.6, ry: r * 0.6 }, [255, 214, 80])
  }
}

/** Sitting, seen from the front. */
export function animal(canvas: Canvas, random: Random, kind: 'cat' | 'dog'): void {
  const size = Math.min(canvas.width, canvas.height) * 0.36
  const [x, y] = [canvas.width * (0.35 + random() * 0.3), canvas.height * 0.9]
  const coats: readonly Colour[] = [
    [236, 152, 72],
    [88, 86, 98],
    [238, 226, 208],
    [140, 96, 64],
  ]
  const coat = coats[Math.floor(random() * coats.length)] ?? [236, 152, 72]
  const [shade, pale]: [Colour, Colour] = [mix(coat, [30, 20, 30], 0.3), mix(coat, [255, 255, 255], 0.6)]
  const head = { x, y: y - size * 0.74, rx: size * 0.26, ry: size * 0.22 }
  ellipse(canvas, { x: x + size * 0.32, y: y - size * 0.18, rx: size * 0.2, ry: size * 0.07 }, shade)
  ellipse(canvas, { x, y: y - size * 0.28, rx: size * 0.27, ry: size * 0.32 }, coat)
  ellipse(canvas, { x, y: y - size * 0.24, rx: size * 0.14, ry: size * 0.22 }, pale)
  for (const side of [-1, 1]) {
    ellipse(canvas, { x: x + side * size * 0.13, y: y - size * 0.02, rx: size * 0.1, ry: size * 0.05 }, pale)
    const [near, far] = [head.x + side * size * 0.06, head.x + side * size * 0.27]
    if (kind === 'cat')
      polygon(
        canvas,
        [
          [near, head.y - size * 0.14],
          [far, head.y - size * 0.36],
          [far, head.y - size * 0.02],
        ],
        coat,
      )
    else ellipse(canvas, { x: far, y: head.y + size * 0.02, rx: size * 0.07, ry: size * 0.17 }, shade)
  }
  ellipse(canvas, head, coat)
  for (const side of [-1, 1]) {
    const eye = { x: head.x + side * size * 0.1, y: head.y - size * 0.02 }
    ellipse(canvas, { ...eye, rx: size * 0.05, ry: size * 0.055 }, [250, 250, 240])
    ellipse(canvas, { ...eye, rx: size * 0.024, ry: size * 0.045 }, [24, 30, 24])
    ellipse(
      canvas,
      { x: eye.x - size * 0.01, y: eye.y - size * 0.018, rx: size * 0.01, ry: size * 0.01 },
      [255, 255, 255],
    )
    for (const tilt of kind === 'cat' ? [-0.05, 0, 0.05] : []) {
      const [x1, y1] = [head.x + side * size * 0.08, head.y + size * 0.09]
      const [x2, y2] = [head.x + side * size * 0.34, head.y + size * (0.07 + tilt)]
      polygon(
        canvas,
        [
          [x1, y1],
          [x2, y2],
          [x2, y2 + 1.2],
          [x1, y1 + 1.6],
        ],
        [255, 255, 255],
        0.8,
      )
    }
  }
  ellipse(canvas, { x: head.x, y: head.y + size * 0.09, rx: size * 0.1, ry: size * 0.07 }, pale)
  polygon(
    canvas,
    [
      [head.x - size * 0.03, head.y + size * 0.05],
      [head.x + size * 0.03, head.y + size * 0.05],
      [head.x, head.y + size * 0.085],
    ],
    [226, 110, 120],
  )
}
