/** Pictures that people attach: fetched only when a handler opens them, from Discord's own servers only. */
import type { APIAttachment } from 'discord-api-types/v10'
import { AppError } from '../../core/errors.ts'
import type { Attachment } from '../../core/ports/chat.ts'
import { type Downloads, tooBig } from '../downloads.ts'

export const attachmentHosts = ['https://cdn.discordapp.com', 'https://media.discordapp.net']

interface Source {
  /** Where attachments may lie. */
  origins: readonly string[]
  downloads: Downloads
}

export function attachments(given: readonly APIAttachment[], { origins, downloads }: Source): Attachment[] {
  return given.map(({ filename, size, url }) => ({
    name: filename,
    bytes: size,
    load: async (limitBytes) => {
      if (size > limitBytes) throw tooBig(limitBytes)
      if (!origins.includes(originOf(url))) {
        throw new AppError('image_unreachable', {}, { cause: new Error('the address is not one of Discord') })
      }
      return downloads.get(url, limitBytes)
    },
  }))
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : ''
}
