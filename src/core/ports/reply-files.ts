/** Pictures and files of a reply, and how large a chat allows them to be. */
import type { ImageFile } from './images.ts'

export interface ReplyPicture {
  file: ImageFile
  /** In the object store. '' for a preview, which is not stored. */
  key: string
  name: string
  alt: string
  /** The stored file, sent after the picture on platforms that show a smaller copy. */
  original?: ImageFile
  /** Signed link to the stored file, where `file` is a smaller copy of it; it expires. Absent: no link opens outside this network. */
  link?: string
}

/** A stored picture as it is. */
export interface ReplyFile {
  name: string
  key: string
  type: string
  /** Absent: the file is too large for this chat, so it is linked. */
  data?: Buffer
  /** A provider flagged it as unsuitable for some. */
  flagged?: boolean
  /** Signed; it expires. */
  link: string
}

/** In bytes. */
export interface FileLimits {
  /** Of a picture that is shown. */
  picture: number
  /** Of all pictures of a message together. Absent: they have no limit of their own. */
  pictures?: number
  /** Of a file for people to save. Absent: stored files are not sent after a result. */
  file?: number
}
