/** Pictures in memory, and the checks that every picture must pass. */
import type { Margins, MaskMark } from './models.ts'

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

/** A picture of a result. */
export interface KeptPicture {
  file: ImageFile
  thumbnail: ImageFile
}

/** The size of a picture, and how many of its pixels on each side are new. */
export interface Area {
  width: number
  height: number
  expand?: Margins
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
  /** Does what `keep` and `thumbnail` do. Decodes the picture once if making the thumbnail reads all of it. */
  keepWithThumbnail(bytes: Buffer, edge: number): Promise<KeptPicture>
  /** Makes a WebP of at most `edge` pixels on its longer side, and never larger than the picture. */
  thumbnail(file: Pick<ImageFile, 'data'>, edge: number): Promise<ImageFile>
  /** Draws pictures side by side, each with its number. A cell without a picture stays empty. */
  sheet(cells: readonly (Buffer | undefined)[]): Promise<ImageFile>
  /**
   * Checks and cleans a mask as `clean` does. The result is a grey PNG, white where the picture is drawn anew: where the mask is
   * transparent, or white if all of it is opaque. Rejects with AppError mask_empty where that is nowhere.
   */
  mask(bytes: Buffer): Promise<ImageFile>
  /**
   * Converts a mask to the form that the service reads. `area`: the picture that it is for; its new sides are marked, too. Without a
   * mask, only they are.
   */
  markAs(mask: Pick<ImageFile, 'data'> | undefined, mark: MaskMark, area: Area): Promise<ImageFile>
  /** Shrinks a picture to the area within its new sides, and extends it by these. */
  place(picture: ImageFile, area: Area): Promise<ImageFile>
  /** Converts to PNG. */
  png(file: Pick<ImageFile, 'data'>): Promise<ImageFile>
}
