/** Menus of messages on Discord: what they do with a result of ours, and with any other picture. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sketch } from '../../../src/models/sketch.ts'
import type { From, Interaction, Message } from '../../emulators/discord/index.ts'
import { pngOf } from '../../helpers/core.ts'
import { type OnDiscord, openOnDiscord } from '../../helpers/discord.ts'

const editor = {
  ...sketch,
  id: 'editor',
  title: 'Editor',
  aliases: [],
  price: 4,
  routes: sketch.routes.map((route) => ({ ...route, takes: { ...route.takes, images: { min: 1, max: 1 } } })),
}

let on: OnDiscord
let result: Message

beforeAll(async () => {
  on = await openOnDiscord({ models: [sketch, editor] })
  result = await drawn(on.discord.slash('flux', { prompt: 'a fox --seed 5' }))
})

afterAll(async () => {
  await on.close()
  expect(on.discord.violations).toEqual([])
})

const drawn = (asked: Interaction) => asked.waitForReply(({ attachments }) => attachments.length > 0)

interface Row {
  id: string
  prompt: string
  images: number
  model: string
  aspect: string
  parent: string | null
}

const last = async (): Promise<Row> => {
  const [row] = await on.test.core.database.rows<Row>(sql`
    select id, request->>'prompt' as prompt, (request->>'images')::int as images, model, request->>'aspect' as aspect,
      parent_id as parent
    from generations order by id desc limit 1`)
  return row!
}

async function opened(menu: string, message: Message, from: From = {}): Promise<Interaction> {
  const chosen = on.discord.messageCommand(menu, message, from)
  await chosen.waitForAck()
  return chosen
}

async function photo(...files: { filename: string; data: Buffer }[]): Promise<Message> {
  const attachments = files.length > 0 ? files : [{ filename: 'a.png', data: await pngOf(96, 64) }]
  return on.discord.sendMessage('look at this', { attachments })
}

const fieldOf = ({ modal }: Interaction, name: string) => {
  const labels = modal!.components as { component: Record<string, unknown> }[]
  return labels.map(({ component }) => component).find(({ custom_id }) => custom_id === name)
}

it('the menus are registered for all places, with names in both languages', () => {
  const menus = on.discord.commands().filter(({ type }) => type === 3)
  expect(menus.map(({ name }) => name)).toEqual(['Edit with fluxbot', 'Use as input', 'Show recipe'])
  for (const menu of menus) {
    expect(menu).toMatchObject({ contexts: [0, 1, 2], integration_types: [0, 1] })
    expect(menu.name_localizations).toMatchObject({ 'zh-CN': expect.stringMatching(/[一-鿿]/) })
  }
})

describe('Edit with fluxbot', () => {
  it('opens the form of the Edit button for a result of ours', async () => {
    const { id } = await last()
    const chosen = await opened('Edit with fluxbot', result)
    expect(chosen.modal).toMatchObject({ custom_id: `1:edit:${id}` })
    expect(fieldOf(chosen, 'prompt')).toMatchObject({ value: 'a fox' })
    await drawn(on.discord.submitModal(chosen, { prompt: 'a dog' }))
    expect(await last()).toMatchObject({ prompt: 'a dog', images: 1, parent: id })
  })

  it('asks what to draw from any other picture', async () => {
    const chosen = await opened('Edit with fluxbot', await photo())
    expect(chosen.modal).toMatchObject({ custom_id: `1:useinput:${chosen.id}` })
    await drawn(on.discord.submitModal(chosen, { prompt: 'at night' }))
    expect(await last()).toMatchObject({ prompt: 'at night', images: 1, parent: null })
  })
})

describe('Use as input', () => {
  it('takes words, a ratio and a model, and shows what each model costs', async () => {
    const chosen = await opened('Use as input', await photo())
    const menu = fieldOf(chosen, 'model') as { options: { label: string; default: boolean }[] }
    expect(menu.options.map(({ label }) => label)).toEqual(['Sketch (built in) · 1 credit', 'Editor · 4 credits'])
    await drawn(on.discord.submitModal(chosen, { prompt: 'at dawn', aspect: ['16:9'], model: ['editor'] }))
    expect(await last()).toMatchObject({ prompt: 'at dawn', images: 1, model: 'editor', aspect: '16:9' })
  })

  it('lets the words name another model than the one that it proposes', async () => {
    const chosen = await opened('Use as input', await photo())
    await drawn(on.discord.submitModal(chosen, { prompt: 'at noon --model editor' }))
    expect(await last()).toMatchObject({ prompt: 'at noon', model: 'editor' })
  })

  it('uses the stored original of a result, and records what it came from', async () => {
    const chosen = await opened('Use as input', result)
    const before = on.discord.requests.length
    await drawn(on.discord.submitModal(chosen, { prompt: 'in snow' }))
    expect((await last()).parent).not.toBeNull()
    const downloads = on.discord.requests.slice(before).filter(({ path }) => path.startsWith('/cdn'))
    expect(downloads).toEqual([])
  })

  it('uses the pictures of a message alone, and refuses a message without one', async () => {
    const text = { filename: 'a.txt', data: Buffer.from('words') }
    const mixed = await opened('Use as input', await photo(text, { filename: 'b.png', data: await pngOf(32, 32) }))
    await drawn(on.discord.submitModal(mixed, { prompt: 'mixed' }))
    expect(await last()).toMatchObject({ prompt: 'mixed', images: 1 })
    const chosen = await opened('Use as input', on.discord.sendMessage('no picture here'))
    expect(chosen.modal).toBeUndefined()
    expect(chosen.reply()).toMatchObject({ ephemeral: true, content: expect.stringContaining('no picture') })
  })

  it('works only for the person who chose it', async () => {
    const chosen = await opened('Use as input', await photo())
    const other = on.discord.submitModal(chosen, { prompt: 'stolen' }, { userId: '9'.repeat(18) })
    const refused = await other.waitForFollowUp()
    expect(refused).toMatchObject({ ephemeral: true, content: expect.stringContaining('too old') })
    expect((await last()).prompt).not.toBe('stolen')
  })
})

describe('/edit without words and picture', () => {
  it('opens a form at once, which takes a picture, words, a ratio and a model', async () => {
    const asked = on.discord.slash('edit')
    await asked.waitForAck()
    expect(asked.acknowledgedWith).toBe(9)
    expect(fieldOf(asked, 'pictures')).toMatchObject({ type: 19, required: true, min_values: 1, max_values: 10 })
    expect(fieldOf(asked, 'prompt')).toMatchObject({ required: true })
    expect(() => on.discord.submitModal(asked, { prompt: 'no picture' })).toThrow('takes 1 to 10 files')
    const pictures = [{ filename: 'a.png', data: await pngOf(96, 64) }]
    await drawn(on.discord.submitModal(asked, { pictures, prompt: 'in the rain', aspect: ['16:9'], model: ['editor'] }))
    expect(await last()).toMatchObject({ prompt: 'in the rain', images: 1, model: 'editor', aspect: '16:9' })
  })

  it('takes several pictures with a model that the form did not propose, if the person leaves its choice', async () => {
    const asked = on.discord.slash('edit')
    await asked.waitForAck()
    const data = await pngOf(64, 64)
    const pictures = [
      { filename: 'a.png', data },
      { filename: 'b.png', data },
    ]
    await drawn(on.discord.submitModal(asked, { pictures, prompt: 'side by side' }))
    expect(await last()).toMatchObject({ prompt: 'side by side', images: 2, model: 'sketch' })
  })

  it('refuses words without a picture in a message that only the person sees', async () => {
    const asked = on.discord.slash('edit', { prompt: 'at night' })
    expect(await asked.waitForFollowUp()).toMatchObject({
      ephemeral: true,
      content: expect.stringContaining('Which picture?'),
    })
  })
})

describe('Show recipe', () => {
  it('shows the words that draw a result again, to the person only', async () => {
    const shown = await on.discord.messageCommand('Show recipe', result, { userId: '8'.repeat(18) }).waitForReply()
    expect(shown.ephemeral).toBe(true)
    expect(shown.content).toContain('a fox --model sketch --ar 1:1 --seed 7')
  })

  it('names the LoRAs, so that its words draw with the same ones', async () => {
    const address = 'https://example.com/ink--v2.safetensors?type=Model&format=SafeTensor'
    const styled = await drawn(on.discord.slash('flux', { prompt: 'a fox', lora: `warm:0.5 ${address}:1.2 cold` }))
    const shown = await on.discord.messageCommand('Show recipe', styled).waitForReply()
    const [words] = /a fox --model.*$/m.exec(shown.content) ?? ['']
    expect(words).toContain(`--lora warm:0.5 --lora ${address}:1.2 --lora cold`)
    await drawn(on.discord.slash('flux', { prompt: words }))
    const requests = await on.test.core.database.rows(sql`
      select request->'loras' as loras, request->>'seed' as seed from generations order by id desc limit 2`)
    const loras = [{ path: 'warm', scale: 0.5 }, { path: address, scale: 1.2 }, { path: 'cold' }]
    expect(requests).toMatchObject([{ loras }, { loras }])
  })

  it('is refused for other pictures', async () => {
    const shown = await on.discord.messageCommand('Show recipe', await photo()).waitForReply()
    expect(shown).toMatchObject({ ephemeral: true, content: expect.stringContaining('no picture of mine') })
  })
})
