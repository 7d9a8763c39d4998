/** Properties that Discord derives from an upload: content type from the file name, width and height from the bytes. */

const TYPES = new Map(
  Object.entries({
    avif: 'image/avif',
    bmp: 'image/bmp',
    gif: 'image/gif',
    heic: 'image/heic',
    jfif: 'image/jpeg',
    jpeg: 'image/jpeg',
    jpg: 'image/jpeg',
    png: 'image/png',
    svg: 'image/svg+xml',
    tif: 'image/tiff',
    tiff: 'image/tiff',
    webp: 'image/webp',
    mov: 'video/quicktime',
    mp4: 'video/mp4',
    webm: 'video/webm',
    mp3: 'audio/mpeg',
    ogg: 'audio/ogg',
    wav: 'audio/x-wav',
    csv: 'text/csv; charset=utf-8',
    html: 'text/html; charset=utf-8',
    json: 'application/json; charset=utf-8',
    md: 'text/markdown; charset=utf-8',
    pdf: 'application/pdf',
    txt: 'text/plain; charset=utf-8',
    zip: 'application/zip',
  }),
)

export function contentTypeOf(filename: string): string | undefined {
  const extension = /\.(\w+)$/.exec(filename)?.[1]
  return extension === undefined ? undefined : TYPES.get(extension.toLowerCase())
}

/** Discord keeps only letters, digits, dots, dashes and underscores of a file name. */
export function storedName(filename: string): string {
  return filename.replace(/ /g, '_').replace(/[^\w.-]/g, '') || 'unknown'
}

export function imageSize(data: Buffer): { width: number; height: number } | undefined {
  try {
    return png(data) ?? gif(data) ?? webp(data) ?? jpeg(data)
  } catch {
    return undefined // truncated header: Discord shows it as a plain file
  }
}

function png(data: Buffer) {
  if (data.toString('latin1', 1, 4) !== 'PNG') return undefined
  return { width: data.readUInt32BE(16), height: data.readUInt32BE(20) }
}

function gif(data: Buffer) {
  if (data.toString('latin1', 0, 4) !== 'GIF8') return undefined
  return { width: data.readUInt16LE(6), height: data.readUInt16LE(8) }
}

function webp(data: Buffer) {
  if (data.toString('latin1', 8, 12) !== 'WEBP') return undefined
  const chunk = data.toString('latin1', 12, 16)
  if (chunk === 'VP8X') return { width: data.readUIntLE(24, 3) + 1, height: data.readUIntLE(27, 3) + 1 }
  if (chunk === 'VP8 ') return { width: data.readUInt16LE(26) & 0x3fff, height: data.readUInt16LE(28) & 0x3fff }
  if (chunk !== 'VP8L') return undefined
  const bits = data.readUInt32LE(21)
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
}

function jpeg(data: Buffer) {
  if (data.readUInt16BE(0) !== 0xffd8) return undefined
  let at = 2
  while (at < data.length) {
    const marker = data.readUInt16BE(at)
    const isFrame = marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker)
    if (isFrame) return { width: data.readUInt16BE(at + 7), height: data.readUInt16BE(at + 5) }
    at += 2 + data.readUInt16BE(at + 2)
  }
  return undefined
}
