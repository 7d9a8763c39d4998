/** How chats lay out buttons and files. */
import { describe, expect, it } from 'vitest'
import { messageOf } from '../../src/bots/discord/message.ts'
import { keyboardOf } from '../../src/bots/telegram/outgoing/keyboard.ts'
import { button } from '../../src/core/chats/buttons.ts'
import { says } from '../helpers/chat.ts'

const id = '01a221ff-f194-7444-8200-5ca644a344db'

describe('a keyboard of Telegram', () => {
  const labels = (rows: Parameters<typeof keyboardOf>[0]['buttons']) =>
    keyboardOf({ locale: 'en', buttons: rows })?.inline_keyboard.map((row) => row.map(({ text }) => text))

  it('has two priced buttons in a row, and more of the short ones', () => {
    const priced = ['reroll', 'vary', 'edit'].map((action) => button(action, id, { price: 1 }))
    const free = ['original', 'favourite', 'up', 'down'].map((action) => button(action, id))
    expect(labels([priced, free])).toEqual([
      ['🎲 Again · 1 credit', '🔀 Vary · 1 credit'],
      ['✏️ Edit · 1 credit'],
      ['💾 Original', '⭐', '👍', '👎'],
    ])
  })

  it('spreads the buttons of several pictures evenly', () => {
    const vary = [1, 2, 3, 4].map((number) => button('vary', id, { number, price: 12 }))
    expect(labels([vary])).toEqual([
      ['🔀 Vary 1 · 12 credits', '🔀 Vary 2 · 12 credits'],
      ['🔀 Vary 3 · 12 credits', '🔀 Vary 4 · 12 credits'],
    ])
  })

  it('is removed where there are no buttons', () => {
    expect(keyboardOf({ locale: 'en', buttons: undefined })).toBeUndefined()
  })
})

describe('files on Discord', () => {
  it('are attached, or linked where they are too large', () => {
    const file = { key: 'image/a.png', type: 'image/png', link: 'https://pictures.example/a_b_c.png?signature=_x_' }
    const small = { ...file, name: 'small.png', data: Buffer.from('small') }
    const large = { ...file, name: 'large.png' }
    const { body, files } = messageOf(says('The originals', 'info', { files: [small, large] }))
    expect(body.content).toBe(`The originals\nlarge.png: <${file.link}>`)
    expect(body.attachments).toEqual([{ id: '0', filename: 'small.png' }])
    expect(files).toEqual([{ name: 'small.png', data: small.data, contentType: 'image/png' }])
  })
})
