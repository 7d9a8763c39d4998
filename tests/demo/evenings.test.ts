/** What each scene of the demo has to show, and the documents that it writes. */
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { playEvenings } from './evenings.ts'
import type { Answer, Scene, Step } from './stage.ts'
import { writeTranscripts } from './transcript.ts'

let folder: string
let scenes: Scene[]
let documents: string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fluxbot-scenes-'))
  scenes = await playEvenings(folder)
  const files = await writeTranscripts(scenes, folder)
  documents = await Promise.all(files.map((file) => readFile(file, 'utf8')))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const sceneOf = (surface: string, name: string): Scene => {
  const scene = scenes.find((each) => each.surface === surface && each.name === name)
  if (!scene) throw new Error(`there is no scene ${name} on ${surface}`)
  return scene
}

/** The answer to what this person said last, or in that order. */
function answersTo({ steps }: Scene, who: string, said: string | RegExp): Answer[][] {
  const fits = (step: Step) =>
    step.who === who && (typeof said === 'string' ? step.said === said : said.test(step.said))
  const found = steps.filter(fits)
  if (found.length === 0) throw new Error(`${who} never says ${said}`)
  return found.map(({ answers }) => answers)
}
const first = (scene: Scene, who: string, said: string | RegExp): Answer => answersTo(scene, who, said)[0]![0]!
const drawn = ({ pictures }: Answer) => pictures.map(({ width, height }) => `${width}×${height}`)

describe('on Discord', () => {
  it('a moderator closes a channel and limits the models, in one of two servers', () => {
    const scene = sceneOf('discord', 'rules')
    expect(first(scene, 'Ann', '/server models  models: all')).toMatchObject({
      seenBy: 'Ann only',
      text: '⚠️ Only people who may manage this server or group can do that.',
    })
    const [closed, open] = answersTo(scene, 'Ann', /^\/flux {2}prompt: a fox/).map(([answer]) => answer!)
    const refusal = '⚠️ The people who manage this server have turned the bot off in this channel.'
    expect(closed).toMatchObject({ seenBy: 'Ann only', text: refusal, pictures: [] })
    expect(first(scene, 'Ann', /^@fluxbot/)).toMatchObject({ seenBy: 'Ann only, in a direct message', text: refusal })
    expect([open!.seenBy, drawn(open!)]).toEqual(['everyone in #painting', ['768×512']])
    expect(first(scene, 'Mo', /^\/server default {2}model: flux-pro/).text).toContain('flux-pro may not draw here')
    expect(first(scene, 'Bea', /^\/flux {2}prompt: a sailing boat {2}model/).text).toBe(
      '⚠️ flux-dev may not draw here. Models here: flux-schnell, sketch.',
    )
    const boat = first(scene, 'Bea', '/flux  prompt: a sailing boat')
    expect([drawn(boat), boat.text]).toEqual([['1024×576'], expect.stringContaining('FLUX.1 [schnell]')])
    const elsewhere = first(scene, 'Bea', /at night/)
    expect([elsewhere.seenBy, elsewhere.text]).toEqual(['everyone in #owls', expect.stringContaining('FLUX.1 [dev]')])
  })

  it('answers are private by default where a moderator says so, and flagged pictures are covered', () => {
    const scene = sceneOf('discord', 'seen-by')
    const cats = answersTo(scene, 'Cyd', /a cat on a roof/).map(([answer]) => answer!)
    expect(cats.map(({ seenBy }) => seenBy)).toEqual(['Cyd only', 'everyone in #painting'])
    const nudes = answersTo(scene, 'Cyd', /a nude statue/).map(([answer]) => answer!)
    expect(nudes.map(({ isSpoiler, pictures }) => [isSpoiler, pictures.length])).toEqual([
      [false, 0],
      [true, 1],
      [false, 0],
    ])
    expect(nudes[2]!.text).toContain('Nothing was charged: 2 credits given back.')
  })

  it('a role gives credits, and a pool pays for a member without any', () => {
    const scene = sceneOf('discord', 'credits')
    expect(first(scene, 'Ann', '/credits').text).toContain('+5  a role’s daily credits')
    const [free, given] = answersTo(scene, 'Bea', '/server fund  amount: 30').map(([answer]) => answer!)
    expect(free!.text).toContain('You can give away 0 credits')
    expect(given!.text).toContain('30 credits moved into the pool of this server')
    const [before, after] = answersTo(scene, 'Cyd', /an island 3:2/).map(([answer]) => answer!)
    expect(before!.text).toContain('costs 1 credit and you have 0')
    expect([drawn(after!), after!.text]).toEqual([['768×512'], expect.stringContaining('from the server’s pool')])
    expect(first(scene, 'Cyd', /in a storm/).text).toContain('The pool of this server has 1 left for you today.')
    expect(first(scene, 'Mo', '/server show').text).toContain('Pool: 29 credits · a member may draw 2 credits a day')
  })

  it('the wrong person stops and deletes nothing, and a moderator removes a picture', () => {
    const scene = sceneOf('discord', 'presses')
    const refusal = '⚠️ Only the person who made this request can do that.'
    expect(first(scene, 'Bea', 'Cancel')).toMatchObject({ seenBy: 'Bea only', text: refusal })
    expect(first(scene, 'Ann', 'Cancel').text).toContain('Cancelled. Nothing was charged')
    expect(first(scene, 'Bea', '🗑 Delete')).toMatchObject({ seenBy: 'Bea only', text: refusal })
    expect(first(scene, 'Bea', /^🎲 Again/).text).toMatch(/1 credit, \d+ left .* from #/)
    expect(first(scene, 'Cyd', '🚩 Report')).toMatchObject({ kind: 'form', text: '🚩 Report the picture\nReason: …' })
    expect(first(scene, 'Cyd', /^reason/).text).toBe('🚩 Thanks. The administrators will look at it.')
    expect(first(scene, 'Mo', '🗑 Delete').buttons).toEqual([['Delete for good', 'Keep']])
    expect(first(scene, 'Mo', 'Delete for good')).toMatchObject({ kind: 'removed', seenBy: 'everyone in #painting' })
    expect(first(scene, 'Bea', '/history').text).toContain('✅ a tower at night')
  })

  it('choices, forms and the menu of a message help people', () => {
    const scene = sceneOf('discord', 'typing')
    expect(first(scene, 'Bea', /model: flux/)).toMatchObject({
      kind: 'choices',
      text: expect.stringContaining('FLUX.1 [dev] · 4 credits'),
    })
    expect(first(scene, 'Bea', /aspect: 9▏/).text.split('\n')[0]).toBe('16:9 · 1024×576')
    expect(first(scene, 'Bea', /prompt: tow▏/).text).toContain('a tower')
    expect(first(scene, 'Bea', /^✏️ Edit/)).toMatchObject({ kind: 'form', text: expect.stringContaining('Ratio: ') })
    expect(drawn(first(scene, 'Bea', /^prompt: .* at night/))).toEqual(['1024×576'])
    const recipes = answersTo(scene, 'Ann', 'Apps › Show recipe').map(([answer]) => answer!.text)
    expect(recipes).toEqual([
      expect.stringContaining('--model sketch --ar 16:9 --seed 7'),
      '⚠️ This message shows no picture of mine that you may see.',
    ])
    expect(first(scene, 'Ann', 'Apps › Edit with fluxbot').kind).toBe('form')
    expect(drawn(first(scene, 'Ann', /winter/))).toEqual(['768×512'])
  })

  it('a late result is a new message that mentions the person', () => {
    const scene = sceneOf('discord', 'late')
    expect(first(scene, 'Ann', /a train/).text).toMatch(/^🎨 Drawing/)
    const result = answersTo(scene, 'Ann', /minutes/)[0]!.find(({ pictures }) => pictures.length > 0)!
    expect(result.text).toMatch(/^@Ann a train/)
    expect(first(scene, 'Bea', '👍')).toMatchObject({ seenBy: 'Bea only', text: '👍 Thanks for the rating.' })
  })
})

describe('on Telegram', () => {
  it('words, photos, an album and a chain of replies are requests in a private chat', () => {
    const scene = sceneOf('telegram', 'private')
    const chain = [/^a sailing boat/, /^at night/, /^with a rainbow/].map((said) => first(scene, 'Ann', said))
    expect(chain.map(drawn)).toEqual([['1024×576'], ['1024×576'], ['1024×576']])
    const ids = chain.map(({ text }) => /#([0-9a-f]{8})/.exec(text)?.[1])
    expect(chain[1]!.text).toContain(`from #${ids[0]}`)
    expect(chain[2]!.text).toContain(`from #${ids[1]}`)
    expect(drawn(first(scene, 'Ann', /^make it winter/))).toEqual(['768×512'])
    const offer = scene.steps.find(({ did }) => did === 'sends a photo without words')?.answers[0]
    expect(offer?.buttons.flat()).toEqual(['🔀 Vary · 2 credits', '✏️ Edit · 2 credits', '🔍 Upscale · 4 credits'])
    expect(drawn(first(scene, 'Ann', 'make it night'))).toEqual(['768×512'])
    const album = scene.steps.find(({ did }) => did.startsWith('sends an album'))
    expect([album?.sent.length, album && drawn(album.answers[0]!)]).toEqual([2, ['768×512']])
    expect(answersTo(scene, 'Ann', /^two foxes/)[0]!.flatMap(drawn)).toEqual(['1024×1024', '1024×1024'])
  })

  it('Stars buy credits, and answers change their language', () => {
    const scene = sceneOf('telegram', 'shop')
    expect(first(scene, 'Ann', '/buy').buttons.flat()).toContain('50 credits · ⭐ 60')
    expect(first(scene, 'Ann', '50 credits · ⭐ 60').text).toContain('🧾 Invoice: 50 credits')
    expect(first(scene, 'Ann', 'Pay ⭐️60').text).toContain('You bought 50 credits.')
    expect(first(scene, 'Ann', '/credits').text).toContain('+50  purchase')
    expect(first(scene, 'Ann', /^雪山/).text).toContain('积分')
    expect(first(scene, 'Ann', /none$/).text).toContain('没有名为“none”的模型')
  })

  it('a group gets answers to mentions and replies, and others press its buttons', () => {
    const scene = sceneOf('telegram', 'group')
    expect(answersTo(scene, 'Ann', /idea/)).toEqual([[]])
    expect(drawn(first(scene, 'Ann', /a tower on a hill/))).toEqual(['768×512'])
    expect(first(scene, 'Bea', /^at night/).text).toContain('from #')
    expect(scene.steps.find(({ who, said }) => who === 'Cyd' && said.startsWith('/flux'))?.where).toBe(
      'the group Painters › Animals',
    )
    expect(first(scene, 'Bea', '🗑 Delete')).toMatchObject({
      kind: 'notice',
      text: '⚠️ Only the person who made this request can do that.',
    })
    expect(first(scene, 'Cyd', 'Cancel').text).toContain('Only the person who made this request')
    expect(answersTo(scene, 'Ann', 'Cancel')[0]!.at(-1)!.text).toContain('Cancelled. Nothing was charged')
    expect(first(scene, 'Ann', 'a tower in snow').text).toContain('Only the person who pressed the button')
    expect(drawn(first(scene, 'Cyd', 'a tower in snow'))).toEqual(['768×512'])
  })

  it('an administrator of a group limits its models and has pictures sent in private', () => {
    const scene = sceneOf('telegram', 'group-settings')
    expect(first(scene, 'Ann', '👥 Settings of this group').text).toContain('Only people who may manage')
    expect(first(scene, 'Mo', '🎨 Models').buttons.flat()).toContain('✅ FLUX.1 [dev]')
    expect(first(scene, 'Mo', '✅ FLUX.1 [dev]').buttons.flat()).toContain('▫️ FLUX.1 [dev]')
    expect(first(scene, 'Mo', 'Page 2').buttons.flat()).toContain('Page 1')
    expect(first(scene, 'Bea', /--model flux-dev$/).text).toContain('flux-dev may not draw here.')
    expect(first(scene, 'Mo', '/settings model flux-pro here').text).toBe(
      '⚠️ flux-pro may not draw here. Models here: flux-schnell, sketch.',
    )
    expect(first(scene, 'Bea', '/models').text).not.toContain('FLUX.1 [dev]')
    const [refused, sent] = answersTo(scene, 'Bea', /at night$/)
    expect(refused![0]!.text).toContain('The bot may not write to you yet.')
    expect(sent!.map(({ seenBy, pictures }) => [seenBy, pictures.length])).toEqual([
      ['Bea only, in the private chat', 1],
      ['everyone in the group', 0],
    ])
  })

  it('many requests at once are all answered within the limits of the chat', () => {
    const scene = sceneOf('telegram', 'flood')
    expect(scene.steps[0]!.answers.flatMap(drawn)).toHaveLength(9)
    expect(scene.notes[0]).toMatch(/^9 requests were answered in \d+ s, with (?:1\d|20) messages and edits/)
  })
})

it('the documents name every picture, and each of them is a file', () => {
  const answers = scenes.flatMap(({ steps }) => steps.flatMap((step) => step.answers))
  const pictures = [
    ...answers.flatMap((answer) => answer.pictures),
    ...scenes.flatMap(({ steps }) => steps.flatMap(({ sent }) => sent)),
  ]
  expect(pictures.length).toBeGreaterThan(40)
  const [markdown = '', ...pages] = documents
  for (const { file } of pictures) {
    expect(existsSync(join(folder, file))).toBe(true)
    expect(markdown).toContain(`![${file}](${file})`)
    expect(pages.join('')).toContain(`<img src="${file}"`)
  }
  for (const { text } of answers) {
    const [line = ''] = text.split('\n')
    expect(pages.join('')).toContain(line.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`))
  }
  expect(markdown).toContain('`🎲 Again · 1 credit`')
})
