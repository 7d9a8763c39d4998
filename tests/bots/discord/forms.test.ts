/** Forms on Discord: modals, which can only be the first answer to a press. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { allActions } from '../../../src/bots/actions/index.ts'
import { allCommands } from '../../../src/bots/commands/index.ts'
import { createDiscord } from '../../../src/bots/discord/discord.ts'
import { modalOf } from '../../../src/bots/discord/modal.ts'
import type { Call, ChatSurface, Reply } from '../../../src/core/ports/chat.ts'
import type { Form, FormField } from '../../../src/core/ports/forms.ts'
import type { ModalValues } from '../../emulators/discord/forms.ts'
import { type DiscordEmulator, startDiscord } from '../../emulators/discord/index.ts'
import { openTestDatabase, quickest, type TestDatabase } from '../../helpers/backends.ts'
import { says } from '../../helpers/chat.ts'
import { pngOf } from '../../helpers/core.ts'
import { keepLog } from '../../helpers/log.ts'

const log = keepLog()
let discord: DiscordEmulator
let test: TestDatabase
let bot: ChatSurface
let handle: (call: Call) => Promise<void>

const fields: FormField[] = [
  {
    name: 'prompt',
    kind: 'text',
    label: 'Prompt',
    hint: 'What to draw',
    value: 'a cat',
    required: true,
    maxLength: 4000,
  },
  { name: 'aspect', kind: 'choice', label: 'Ratio', hint: 'Like the picture', choices: choices('1:1', '16:9') },
  { name: 'model', kind: 'choice', label: 'Model', value: 'b', required: true, choices: choices('a', 'b') },
  { name: 'pictures', kind: 'files', label: 'Pictures', hint: 'Used as well' },
]
const form: Form = { id: '1:edit:one', title: 'Edit', fields }
const formReply: Reply = says('Edit', 'info', { private: true, form })

function choices(...values: string[]) {
  return values.map((value) => ({ value, label: `the ${value}` }))
}

beforeAll(async () => {
  test = await openTestDatabase(quickest)
  discord = await startDiscord()
  const facts = new Map<string, string>()
  bot = createDiscord({
    token: discord.token,
    apiUrl: discord.apiUrl,
    database: test.database,
    commands: allCommands,
    actions: allActions,
    models: () => [],
    facts: { get: async (name) => facts.get(name), set: async (name, value) => void facts.set(name, value) },
    log,
  })
  await bot.start((call) => handle(call))
  await discord.waitForBot()
})

afterEach(() => discord.faults.clear())

afterAll(async () => {
  await bot.stop()
  await test.drop()
  await discord.stop()
  expect(discord.violations).toEqual([])
})

const post = async ({ address }: Call, reply: Reply) => void (await bot.post(address, reply))

/** A message of the bot with the button. */
async function result(more: Partial<Reply> = {}) {
  handle = (call) =>
    post(call, says('a cat', 'done', { buttons: [[{ id: form.id, action: 'edit', price: 2 }]], ...more }))
  const asked = discord.slash('flux', { prompt: 'a cat' })
  return more.private ? asked.waitForFollowUp() : asked.waitForReply()
}

async function press(answer: (call: Call) => Promise<void>, more: Partial<Reply> = {}) {
  const message = await result(more)
  handle = answer
  return discord.press(message, form.id)
}

const opened = async () => {
  const interaction = await press((call) => post(call, formReply))
  await interaction.waitForAck()
  return interaction
}
const callbacks = (id: string) => discord.requests.filter(({ path }) => path.startsWith(`/interactions/${id}/`))

describe('a press that opens a form', () => {
  it('is answered by the modal alone', async () => {
    const interaction = await opened()
    expect(interaction.acknowledgedWith).toBe(9)
    expect(callbacks(interaction.id)).toHaveLength(1)
    expect(interaction.modal).toMatchObject({ custom_id: form.id, title: 'Edit' })
    const [prompt, aspect, model, pictures] = (interaction.modal!.components as { component: object }[]).map(
      (each) => each.component,
    )
    expect(prompt).toMatchObject({ type: 4, style: 2, value: 'a cat', required: true, max_length: 4000 })
    expect(aspect).toMatchObject({ type: 3, required: false, min_values: 0, placeholder: 'Like the picture' })
    expect(model).toMatchObject({
      type: 3,
      required: true,
      options: [{ default: false }, { value: 'b', default: true }],
    })
    expect(pictures).toMatchObject({ type: 19, required: false, max_values: 10 })
  })

  it('shows the price on the button', async () => {
    expect((await result()).buttons.flat().map(({ label }) => label)).toEqual(['✏️ Edit · 2 credits'])
  })

  it('opens it once when the response of Discord is lost', async () => {
    const interaction = await press(async (call) => {
      discord.faults.add({ match: { path: /callback$/ }, kind: 'dropAfter', times: 1 })
      await post(call, formReply)
    })
    await interaction.waitForAck()
    await expect.poll(() => callbacks(interaction.id).length).toBe(2)
    expect(interaction.acknowledgedWith).toBe(9)
    expect(interaction.followUps()).toEqual([])
  })

  it('is refused by a private message alone', async () => {
    const refusal = says('No', 'failed', { private: true })
    const interaction = await press((call) => post(call, refusal))
    expect(await interaction.waitForReply()).toMatchObject({ content: 'No', ephemeral: true })
    expect(interaction.acknowledgedWith).toBe(4)
    expect(callbacks(interaction.id)).toHaveLength(1)
  })

  it('asks to press again when the form takes too long', async () => {
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const interaction = await press(async (call) => {
      await released
      await post(call, formReply)
    })
    const shown = await interaction.waitForReply()
    expect(shown).toMatchObject({ content: expect.stringContaining('That took too long'), ephemeral: true })
    release()
    await expect.poll(() => callbacks(interaction.id).length).toBe(2)
    expect(interaction.modal).toBeUndefined()
  })
})

describe('a submitted form', () => {
  const submit = async (values: ModalValues, more: Partial<Reply> = {}) => {
    let pressed: string | undefined
    const interaction = await press((call) => {
      pressed = call.act.kind === 'press' ? call.act.on?.name : undefined
      return post(call, formReply)
    }, more)
    await interaction.waitForAck()
    const calls: Call[] = []
    handle = async (call) => {
      calls.push(call)
      await post(call, says('Drawing', 'waiting'))
    }
    const submission = discord.submitModal(interaction, values)
    const shown = await submission.waitForReply()
    return { submission, shown, call: calls[0]!, pressed }
  }

  it('is a call with all its fields, and a public answer', async () => {
    const { submission, shown, call, pressed } = await submit({ prompt: 'a dog', aspect: ['16:9'] })
    const fields = { prompt: 'a dog', aspect: '16:9', model: 'b' }
    expect(pressed).toBeDefined()
    expect(call.act).toEqual({ kind: 'form', form: form.id, fields, on: pressed })
    expect(call).toMatchObject({ key: `discord:${submission.id}`, place: { channel: discord.channelId }, images: [] })
    expect(submission.acknowledgedWith).toBe(5)
    expect(shown).toMatchObject({ content: 'Drawing', ephemeral: false })
  })

  it('has the pictures that were added', async () => {
    const data = await pngOf(9, 9)
    const { call } = await submit({ pictures: [{ filename: 'hat.png', data, contentType: 'image/png' }] })
    expect(call.images.map(({ name, bytes }) => [name, bytes])).toEqual([['hat.png', data.length]])
    expect(await call.images[0]?.load(1_000_000)).toEqual(data)
    expect(call.act).toMatchObject({ fields: { prompt: 'a cat', aspect: '', model: 'b' } })
  })

  it('sends what was filled in when nothing is changed', async () => {
    const { call } = await submit({})
    expect(call.act).toMatchObject({ fields: { prompt: 'a cat', aspect: '', model: 'b' } })
  })

  it('has a private answer below a private message', async () => {
    const { shown } = await submit({ prompt: 'a dog' }, { private: true })
    expect(shown).toMatchObject({ content: 'Drawing', ephemeral: true })
  })
})

describe('a modal', () => {
  const many = Array.from({ length: 26 }, (_, number) => `model-${number}`)
  const field = (more: Partial<FormField>): FormField => ({ name: 'one', kind: 'text', label: 'One', ...more })
  const modal = (more: Partial<FormField>, title = 'Title') =>
    modalOf({ id: '1:edit:one', title, fields: [field(more)] })

  it.each<[string, Partial<FormField>, object]>([
    ['a menu for 25 choices', { kind: 'choice', choices: choices(...many.slice(1)) }, { type: 3 }],
    [
      'a text field for more',
      { kind: 'choice', choices: choices(...many), value: 'model-3' },
      { type: 4, style: 1, value: 'model-3' },
    ],
    ['a text field without choices', { kind: 'choice', choices: [] }, { type: 4, style: 1 }],
    ['at most 4000 characters', { maxLength: 9_000 }, { max_length: 4000 }],
    ['no more than the limit filled in', { maxLength: 3, value: 'abcd' }, { value: 'ab…' }],
    ['a hint of 100 characters', { hint: 'h'.repeat(200) }, { placeholder: `${'h'.repeat(99)}…` }],
  ])('has %s', (_title, more, expected) => {
    expect(modal(more).components).toMatchObject([{ type: 18, component: expected }])
  })

  it('has a title and labels of 45 characters at most', () => {
    const { title, components } = modal({ label: 'l'.repeat(60) }, 't'.repeat(60))
    expect(title).toHaveLength(45)
    expect(components).toMatchObject([{ label: `${'l'.repeat(44)}…` }])
  })
})
