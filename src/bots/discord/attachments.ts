/** Pictures that people attached. Discord's addresses of them expire, so they are fetched at once. */
import { request } from 'undici'
import { AppError } from '../../core/errors.ts'
import type { Attachment } from '../../core/ports.ts'

const timeoutMs = 20_000
const discordOrigins = ['https://cdn.discordapp.com', 'https://media.discordapp.net']

/** `apiUrl`: a stand-in serves its attachments on its own origin, which is trusted as the setting is. */
export function attachmentOf(
  { url, name, size }: { url: string; name: string; size: number },
  apiUrl: string,
): Attachment {
  const origins = new URL(apiUrl).hostname.endsWith('discord.com')
    ? discordOrigins
    : [...discordOrigins, new URL(apiUrl).origin]
  return {
    name,
    bytes: size,
    load: async (limitBytes) => {
      const tooBig = new AppError('image_too_big', { limitMb: Math.floor(limitBytes / 1024 / 1024) })
      if (size > limitBytes) throw tooBig
      if (!URL.canParse(url) || !origins.includes(new URL(url).origin)) throw new AppError('image_unreachable')
      const parts: Buffer[] = []
      let bytes = 0
      try {
        const { statusCode, body } = await request(url, { signal: AbortSignal.timeout(timeoutMs) })
        if (statusCode !== 200) throw new Error(`status ${statusCode}`)
        for await (const part of body) {
          bytes += part.length
          if (bytes > limitBytes) break
          parts.push(part)
        }
      } catch (error) {
        throw new AppError('image_unreachable', {}, { cause: error })
      }
      if (bytes > limitBytes) throw tooBig
      return Buffer.concat(parts)
    },
  }
}
