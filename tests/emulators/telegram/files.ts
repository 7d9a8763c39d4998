/** Stores files: photos in two sizes, documents as they are. Finds them by file id or download path. */
import { createHash } from 'node:crypto'
import { imageSize } from '../discord/image.ts'
import { badRequest } from './errors.ts'
import type { DocumentUpload, Json } from './types.ts'

const MAX_DOWNLOAD_BYTES = 20 * 1024 * 1024
const MAX_SIDES = 10_000
const MAX_RATIO = 20

/** Thumbnail of every photo: a grey square, so that a test notices a bot that downloads it instead of the photo. */
const THUMBNAIL = Buffer.from(
  '/9j/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71////m8H////6/+b9//j/2wBDASstLTw1PHZBQXb4pYyl+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj/wAARCAAgACADASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAL/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFAEBAAAAAAAAAAAAAAAAAAAAAP/EABQRAQAAAAAAAAAAAAAAAAAAAAD/2gAMAwEAAhEDEQA/AKAAAAAAAB//2Q==',
  'base64',
)

const TYPES = new Map(
  Object.entries({
    gif: 'image/gif',
    jpeg: 'image/jpeg',
    jpg: 'image/jpeg',
    json: 'application/json',
    mp4: 'video/mp4',
    pdf: 'application/pdf',
    png: 'image/png',
    svg: 'image/svg+xml',
    txt: 'text/plain',
    webp: 'image/webp',
    zip: 'application/zip',
  }),
)

export interface StoredFile {
  kind: 'photo' | 'document'
  fileId: string
  uniqueId: string
  data: Buffer
  /** Size that Telegram reports. Tests can make it differ from `data`. */
  size: number
  /** Download path. */
  path: string
  fileName?: string
  mimeType?: string
  width?: number
  height?: number
}

export interface Photo {
  /** The thumbnail, then the picture. */
  sizes: [StoredFile, StoredFile]
}

type Owner = 'bot' | 'person'

export interface Files {
  /** Throws Telegram's error if the upload cannot be a photo. */
  checkPhoto(data: Buffer): void
  addPhoto(data: Buffer, owner: Owner): Photo
  addDocument(document: DocumentUpload, owner: Owner): StoredFile
  photo(fileId: string): Photo | undefined
  document(fileId: string): StoredFile | undefined
  /** Implements getFile, without which a path cannot be downloaded. */
  open(fileId: string): StoredFile
  download(path: string): Buffer | undefined
}

export interface FilesOptions {
  /** false: drop the bytes of the bot's uploads after the checks. */
  keepBytes: boolean
  maxPhotoBytes: number
}

export function createFiles({ keepBytes, maxPhotoBytes }: FilesOptions): Files {
  const byId = new Map<string, StoredFile>()
  const photos = new Map<string, Photo>()
  const opened = new Map<string, StoredFile>()
  let count = 0

  function store(file: Omit<StoredFile, 'fileId' | 'uniqueId' | 'path'>, extension: string): StoredFile {
    count += 1
    const hash = createHash('sha256').update(`file ${count}`).digest('base64url')
    const prefix = file.kind === 'photo' ? 'AgACAgIAAxkBAAI' : 'BQACAgIAAxkBAAI'
    const stored: StoredFile = {
      ...file,
      fileId: `${prefix}${hash}${hash.slice(0, 14)}AAgEAAwIAA3kAAzYE`,
      uniqueId: `AQAD${hash.slice(0, 12)}`,
      path: `${file.kind}s/file_${count}${extension}`,
    }
    byId.set(stored.fileId, stored)
    return stored
  }

  const kept = (data: Buffer, owner: Owner) => (keepBytes || owner === 'person' ? data : Buffer.alloc(0))

  return {
    checkPhoto: (data) => checkPhoto(data, maxPhotoBytes),
    addPhoto(data, owner) {
      const { width, height } = imageSize(data) ?? { width: 1280, height: 960 }
      const thumbnail = { data: THUMBNAIL, size: THUMBNAIL.length, width: 32, height: 32 }
      const photo: Photo = {
        sizes: [
          store({ kind: 'photo', ...thumbnail }, '.jpg'),
          store({ kind: 'photo', data: kept(data, owner), size: data.length, width, height }, '.jpg'),
        ],
      }
      for (const { fileId } of photo.sizes) photos.set(fileId, photo)
      return photo
    },
    addDocument({ data, fileName, mimeType, fileSize }, owner) {
      const extension = /\.\w+$/.exec(fileName)?.[0] ?? ''
      const type = mimeType ?? TYPES.get(extension.slice(1).toLowerCase())
      const size = fileSize ?? data.length
      return store({ kind: 'document', data: kept(data, owner), size, fileName, mimeType: type }, extension)
    },
    photo: (fileId) => photos.get(fileId),
    document(fileId) {
      const file = byId.get(fileId)
      return file?.kind === 'document' ? file : undefined
    },
    open(fileId) {
      const file = byId.get(fileId)
      if (!file) throw badRequest('wrong file_id or the file is temporarily unavailable')
      if (file.size > MAX_DOWNLOAD_BYTES) throw badRequest('file is too big')
      opened.set(file.path, file)
      return file
    },
    download: (path) => opened.get(path)?.data,
  }
}

function checkPhoto(data: Buffer, maxBytes: number) {
  if (data.length === 0) throw badRequest('file must be non-empty')
  if (data.length > maxBytes)
    throw badRequest(`file of size ${data.length} bytes is too big for a photo; the maximum size is ${maxBytes} bytes`)
  const size = imageSize(data)
  if (!size || isCutOff(data)) throw badRequest('IMAGE_PROCESS_FAILED')
  const { width, height } = size
  const ratio = Math.max(width, height) / Math.max(1, Math.min(width, height))
  if (width + height > MAX_SIDES || ratio > MAX_RATIO) throw badRequest('PHOTO_INVALID_DIMENSIONS')
}

function isCutOff(data: Buffer): boolean {
  const magic = data.toString('latin1', 1, 4)
  if (magic === 'PNG') return data.lastIndexOf('IEND') === -1
  if (magic === 'IFF') return data.length < data.readUInt32LE(4) + 8
  if (magic === 'IF8') return false
  return data.lastIndexOf(Buffer.from([0xff, 0xd9])) === -1
}

export function photoJson({ sizes }: Photo): Json[] {
  return sizes.map(({ fileId, uniqueId, width, height, size }) => ({
    file_id: fileId,
    file_unique_id: uniqueId,
    width,
    height,
    file_size: size,
  }))
}

export function documentJson({ fileId, uniqueId, fileName, mimeType, size }: StoredFile): Json {
  return {
    file_name: fileName,
    ...(mimeType && { mime_type: mimeType }),
    file_id: fileId,
    file_unique_id: uniqueId,
    file_size: size,
  }
}
