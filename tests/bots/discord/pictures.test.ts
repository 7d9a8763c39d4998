import type { APIMessage, GatewayMessageCreateDispatchData } from 'discord-api-types/v10'
import { describe, expect, it } from 'vitest'
import { callOfMessage } from '../../../src/bots/discord/calls.ts'
import type { RemotePicture } from '../../../src/bots/discord/images.ts'

const cdn = 'https://cdn.discordapp.com'
const file = (name: string, type?: string) => ({
  id: '1',
  filename: name,
  size: 10,
  url: `${cdn}/${name}`,
  proxy_url: '',
  content_type: type,
})
const plain = file('plain.jpg', 'image/jpeg')
const forwarded = { message_snapshots: [{ message: { content: '', attachments: [plain], embeds: [] } }] }
const linked = {
  content: 'https://a.example/cat.png',
  embeds: [{ type: 'image', thumbnail: { url: 'https://a.example/cat.png', proxy_url: `${cdn}/preview.png` } }],
}

const gallery = {
  type: 12,
  items: [
    { media: { url: `${cdn}/own.png`, proxy_url: `${cdn}/smaller.png`, content_type: 'image/png' } },
    { media: { url: 'https://a.example/b.png', proxy_url: `${cdn}/elsewhere.png` } },
    { media: { url: `${cdn}/film.mp4`, content_type: 'video/mp4' } },
  ],
}
const section = { type: 9, components: [], accessory: { type: 11, media: { url: `${cdn}/thumbnail.png` } } }

/** The pictures of a message in a private chat, and whether each can be used. */
async function picturesIn(own: object, replied?: object): Promise<[url: string, usable: boolean][]> {
  const empty = { content: '', attachments: [], embeds: [], mentions: [], author: { id: '5', username: 'ada' } }
  const referenced = replied && ({ ...empty, id: '8', type: 0, ...replied } as unknown as APIMessage)
  const message = { ...empty, id: '9', channel_id: '7', type: replied ? 19 : 0, ...own }
  let given: readonly RemotePicture[] = []
  await callOfMessage(message as unknown as GatewayMessageCreateDispatchData, {
    botId: '1',
    fetchReferenced: async () => referenced,
    load(pictures) {
      given = pictures
      return []
    },
  })
  return given.map(({ url, unusable = false }) => [url.replace(cdn, ''), !unusable])
}

const words = { content: 'make it night' }

describe('a message on Discord', () => {
  it.each<[string, object, object | undefined, [string, boolean][]]>([
    ['is forwarded', forwarded, undefined, [['/plain.jpg', true]]],
    ['replies to a forwarded message', words, forwarded, [['/plain.jpg', true]]],
    ['replies to a link to a picture', words, linked, [['/preview.png', true]]],
    [
      'has a picture and replies to one',
      { ...words, attachments: [file('own.png', 'image/png')] },
      { attachments: [plain] },
      [
        ['/own.png', true],
        ['/plain.jpg', true],
      ],
    ],
    ['replies to a HEIC photo', words, { attachments: [file('a.heic', 'image/heic')] }, [['/a.heic', true]]],
    ['has a file of unknown type', { attachments: [file('a', 'application/octet-stream')] }, undefined, [['/a', true]]],
    ['has a picture named .jfif', { attachments: [file('a.jfif', 'text/plain')] }, undefined, [['/a.jfif', true]]],
    ['has a video', { ...words, attachments: [file('a.mp4', 'video/mp4')] }, undefined, [['/a.mp4', false]]],
    ['replies to a video', words, { attachments: [file('a.mp4', 'video/mp4')] }, [['/a.mp4', false]]],
    [
      'replies to a sticker',
      words,
      { sticker_items: [{ id: '3', name: 'cat', format_type: 1 }] },
      [['/stickers/3.png', true]],
    ],
    [
      'replies to an animated sticker',
      words,
      { sticker_items: [{ id: '3', name: 'cat', format_type: 3 }] },
      [['/stickers/3.png', false]],
    ],
    [
      'has a link to a LoRA, of which Discord shows a preview',
      {
        content: 'a cat --lora https://civitai.com/models/7:0.8',
        embeds: [{ url: 'https://civitai.com/models/7', thumbnail: linked.embeds[0]?.thumbnail }],
      },
      undefined,
      [],
    ],
    [
      'replies to pictures in components, which are no attachments',
      words,
      {
        components: [
          { type: 17, components: [gallery, section, { type: 10, content: 'cats' }] },
          { type: 1, components: [] },
        ],
      },
      [
        ['/own.png', true],
        ['/elsewhere.png', true],
        ['/film.mp4', false],
        ['/thumbnail.png', true],
      ],
    ],
    ['replies to words', words, { content: 'a cat' }, []],
  ])('that %s has the pictures it refers to', async (_name, own, replied, pictures) => {
    expect(await picturesIn(own, replied)).toEqual(pictures)
  })
})
