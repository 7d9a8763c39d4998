/** Pictures in memory, and the checks that each of them passes. */

export type ImageType = 'image/png' | 'image/jpeg' | 'image/webp'

/** A checked picture: decodable, of an allowed type, without metadata. Sizes in pixels. */
export interface ImageFile {
  data: Buffer
  type: ImageType
  width: number
  height: number
}

/** The checks and conversions that every picture passes through. All reject with an `AppError`. */
export interface ImageTools {
  /** A person's upload: decoded in full and encoded anew, so that nothing of the original file survives. */
  clean(bytes: Buffer): Promise<ImageFile>
  /** A provider's result: decoded in full, its pixels kept as they are, metadata stripped. */
  keep(bytes: Buffer): Promise<ImageFile>
  /** A small WebP, at most `edge` pixels on its longer side; never larger than the picture. */
  thumbnail(file: Pick<ImageFile, 'data'>, edge: number): Promise<ImageFile>
  /** The same picture as PNG. */
  png(file: Pick<ImageFile, 'data'>): Promise<ImageFile>
}
