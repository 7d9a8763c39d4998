/** Pictures in memory, and the checks that every picture must pass. */

export type ImageType = 'image/png' | 'image/jpeg' | 'image/webp'

/** A checked picture: decodable, of an allowed type, without metadata. Sizes in pixels. */
export interface ImageFile {
  data: Buffer
  type: ImageType
  width: number
  height: number
}

/** Checks and conversions of pictures. All reject with an `AppError`. */
export interface ImageTools {
  /** Decodes an upload in full and encodes it anew, so that nothing of the original file survives. */
  clean(bytes: Buffer): Promise<ImageFile>
  /** Decodes a provider's result in full as a check, keeps its pixels and strips its metadata. */
  keep(bytes: Buffer): Promise<ImageFile>
  /** Makes a WebP of at most `edge` pixels on its longer side, and never larger than the picture. */
  thumbnail(file: Pick<ImageFile, 'data'>, edge: number): Promise<ImageFile>
  /** Converts to PNG. */
  png(file: Pick<ImageFile, 'data'>): Promise<ImageFile>
}
