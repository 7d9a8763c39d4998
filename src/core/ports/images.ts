/** Pictures in memory, and the checks that every picture must pass. */

export type ImageType = 'image/png' | 'image/jpeg' | 'image/webp'

/** A checked picture: decodable, of an allowed type, upright, without metadata but its colours. Sizes in pixels. */
export interface ImageFile {
  data: Buffer
  type: ImageType
  width: number
  height: number
  /** A provider flagged it as unsuitable for some. */
  flagged?: boolean
}

/** Checks and conversions of pictures. They take turns. All reject with an `AppError`; of results with bad_result. */
export interface ImageTools {
  /** Decodes an upload in full and encodes it anew, so that nothing of the original file survives. Shrinks large photos. */
  clean(bytes: Buffer): Promise<ImageFile>
  /**
   * Strips a provider's result of its metadata and decodes what is left in full, as a check. Turned and animated pictures
   * are encoded anew; of an animation the first frame stays.
   */
  keep(bytes: Buffer): Promise<ImageFile>
  /** Makes a WebP of at most `edge` pixels on its longer side, and never larger than the picture. */
  thumbnail(file: Pick<ImageFile, 'data'>, edge: number): Promise<ImageFile>
  /** Draws pictures side by side, each with its number. A cell without a picture stays empty. */
  sheet(cells: readonly (Buffer | undefined)[]): Promise<ImageFile>
  /** Converts to PNG. */
  png(file: Pick<ImageFile, 'data'>): Promise<ImageFile>
}
