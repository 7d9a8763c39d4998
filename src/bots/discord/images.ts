/** Pictures of messages: fetched only when a handler opens them, from Discord's own servers only. */
import {
  type APIAttachment,
  type APIEmbed,
  type APIMessage,
  type APIMessageSnapshotFields,
  type APIMessageTopLevelComponent,
  type APIStickerItem,
  type APIUnfurledMediaItem,
  ComponentType,
  StickerFormatType,
} from 'discord-api-types/v10'
import { AppError } from '../../core/errors.ts'
import type { Attachment } from '../../core/ports/chat.ts'
import { namesLora } from '../../core/request/loras.ts'
import { canParseUrl } from '../../net/can-parse-url.ts'
import { type Downloads, tooBig } from '../downloads.ts'

export const attachmentHosts = [
  'https://cdn.discordapp.com',
  'https://media.discordapp.net',
  // previews of links
  'https://images-ext-1.discordapp.net',
  'https://images-ext-2.discordapp.net',
]

interface Source {
  /** Where attachments may lie. */
  origins: readonly string[]
  downloads: Downloads
}

/** A picture on Discord's servers. */
export interface RemotePicture {
  name: string
  bytes?: number
  url: string
  /** It is no picture that can be used. */
  unusable?: boolean
}

export function attachments(given: readonly RemotePicture[], { origins, downloads }: Source): Attachment[] {
  return given.map(({ name, bytes, url, unusable }) => ({
    name,
    bytes,
    load: async (limitBytes) => {
      if (unusable) throw new AppError('image_type')
      if (bytes !== undefined && bytes > limitBytes) throw tooBig(limitBytes)
      if (!origins.includes(originOf(url))) {
        throw new AppError('image_unreachable', {}, { cause: new Error('the address is not one of Discord') })
      }
      return downloads.get(url, limitBytes)
    },
  }))
}

/** All pictures of a message and of the messages that it forwards: attached, in the preview of a link, in components, and stickers. */
export function picturesOf(message: APIMessage): RemotePicture[] {
  const forwarded = message.message_snapshots?.map(({ message: snapshot }) => snapshot) ?? []
  return [message, ...forwarded].flatMap(shownBy)
}

function shownBy({
  content,
  attachments: attached,
  embeds,
  components = [],
  sticker_items: stickers = [],
}: APIMessage | APIMessageSnapshotFields) {
  const previews = embeds.filter(({ url }) => url === undefined || !namesLora(content, url))
  return [
    ...attached.map(ofAttachment),
    ...previews.flatMap(ofEmbed),
    ...components.flatMap(ofComponent),
    ...stickers.map(ofSticker),
  ]
}

/** Discord lists a picture that a component shows nowhere else. */
function ofComponent(component: APIMessageTopLevelComponent): RemotePicture[] {
  if (component.type === ComponentType.Container) return component.components.flatMap(ofComponent)
  if (component.type === ComponentType.MediaGallery) return component.items.map(({ media }) => ofMedia(media))
  if (component.type !== ComponentType.Section) return []
  return component.accessory.type === ComponentType.Thumbnail ? [ofMedia(component.accessory.media)] : []
}

function ofMedia({ url, proxy_url: proxied, content_type: type = '' }: APIUnfurledMediaItem): RemotePicture {
  const isUploaded = attachmentHosts.includes(originOf(url))
  return {
    name: 'component',
    url: isUploaded ? url : (proxied ?? url),
    unusable: type !== '' && !/^image\//i.test(type ?? ''),
  }
}

/** Discord guesses the type from the name, so only types of other things are refused before the bytes are read. */
export function ofAttachment({ filename, size, url, content_type: type = '' }: APIAttachment): RemotePicture {
  const mayBePicture =
    /^(?:image\/.*|application\/octet-stream|)$/i.test(type) || /\.(?:png|jpe?g|jfif|webp)$/i.test(filename)
  return { name: filename, bytes: size, url, unusable: !mayBePicture }
}

/** A link to a picture has it as its thumbnail. */
function ofEmbed({ image, thumbnail, video }: APIEmbed): RemotePicture[] {
  const picture = image ?? thumbnail
  if (!picture) return []
  return [{ name: 'preview', url: picture.proxy_url ?? picture.url, unusable: video !== undefined }]
}

const ofSticker = ({ id, name, format_type: format }: APIStickerItem): RemotePicture => ({
  name,
  url: `https://cdn.discordapp.com/stickers/${id}.png`,
  unusable: ![StickerFormatType.PNG, StickerFormatType.APNG].includes(format),
})

function originOf(url: string): string {
  return canParseUrl(url) ? new URL(url).origin : ''
}
