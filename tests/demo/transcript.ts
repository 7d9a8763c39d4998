/** The scenes as documents: transcript.md with all of them, and a page for each chat. The pictures are files beside them. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DemoLine } from './demo.ts'
import type { Answer, SavedPicture, Scene, Step } from './stage.ts'

const chats: Readonly<Record<string, string>> = { discord: 'Discord', telegram: 'Telegram' }
const about =
  'The real bots in emulated chats. “fluxbot” is the bot, all others are people. Pictures come from the built-in model, also those of the emulated fal.ai.'

/** Returns the files. */
export async function writeTranscripts(scenes: readonly Scene[], folder: string): Promise<string[]> {
  const surfaces = [...new Set(scenes.map(({ surface }) => surface))]
  const documents = [
    { file: 'transcript.md', text: markdownOf(scenes) },
    ...surfaces.map((surface) => ({
      file: `transcript-${surface}.html`,
      text: htmlOf(
        surface,
        scenes.filter((scene) => scene.surface === surface),
      ),
    })),
  ]
  for (const { file, text } of documents) await writeFile(join(folder, file), text)
  return documents.map(({ file }) => join(folder, file))
}

/** The evening that is the same on both chats, as the first scene of each. */
export function sceneOf(surface: string, lines: readonly DemoLine[], folder: string): Scene {
  const where = surface === 'discord' ? '#painting, in the server Painters' : 'the private chat with the bot'
  const steps = lines
    .filter((line) => line.surface === surface)
    .map(({ who, did, said, answer, picture, buttons, seenBy }): Step => {
      const pictures = picture ? [{ ...picture, file: picture.file.slice(folder.length + 1) }] : []
      const reader = seenBy === undefined ? 'everyone there' : `${who} only`
      const labels = buttons.map((row) => row.map(({ label }) => label))
      const shown: Answer = { kind: 'message', seenBy: reader, text: answer, pictures, buttons: labels }
      const verbs = { wrote: 'writes', pressed: 'presses', 'filled in': 'fills in', received: 'gets the answer to' }
      return { who, where, did: verbs[did], said, sent: [], answers: [shown] }
    })
  return {
    surface,
    name: 'evening',
    title: 'An evening with pictures',
    about: 'Ann asks for pictures, waits, stops a request, presses the buttons of results, and changes her settings.',
    steps,
    notes: [],
  }
}

const kinds: Readonly<Record<Answer['kind'], string>> = {
  message: 'answers',
  edited: 'changes its message',
  removed: 'The message is gone',
  notice: 'shows a notice',
  choices: 'offers',
  form: 'opens a form',
}

const toward = (did: string) => (did === 'replies' ? 'to' : 'on')

// ── Markdown ─────────────────────────────────────────────────────────────────────────────────────────────────────

function markdownOf(scenes: readonly Scene[]): string {
  const parts = scenes.map(({ surface, title, about: text, steps, notes }) =>
    [
      `## ${chats[surface] ?? surface}: ${title}`,
      text,
      ...steps.map(stepText),
      ...notes.map((note) => `_Measured: ${note}_`),
    ].join('\n\n'),
  )
  return `${['# What fluxbot does in chats', about, ...parts].join('\n\n')}\n`
}

function stepText({ who, where, did, said, on, sent, answers }: Step): string {
  const target = on === undefined ? '' : ` (${toward(did)} “${plain(on)}”)`
  const words = said === '' ? '' : `: ${said.split('\n').map(code).join(' · ')}`
  return [`**${who}** in ${where} ${did}${target}${words}`, ...sent.map(imageText), ...answers.map(answerText)].join(
    '\n\n',
  )
}

function answerText({ kind, seenBy, text, pictures, isSpoiler, buttons }: Answer): string {
  const head = kind === 'removed' ? `**${kinds.removed}**` : `**fluxbot** ${kinds[kind]}`
  const lines = [
    `${head} — _seen by ${seenBy}_`,
    ...(text === '' ? [] : ['', ...text.split('\n').map((line) => `${plain(line)}  `)]),
    ...pictures.flatMap((picture) => ['', `${imageText(picture)}${isSpoiler ? ' (covered until it is tapped)' : ''}`]),
    ...(buttons.length > 0 ? ['', buttons.map((row) => row.map(code).join(' ')).join(' · ')] : []),
  ]
  return lines.map((line) => `> ${line}`.trimEnd()).join('\n')
}

const imageText = ({ file, width, height }: SavedPicture) => `![${file}](${file}) ${code(file)}, ${width}×${height}`
const code = (text: string) => `\`${text.replaceAll('`', 'ˋ')}\``
const plain = (text: string) => text.replace(/[\\`*_[\]<>#]/g, (char) => `\\${char}`)

// ── HTML ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function htmlOf(surface: string, scenes: readonly Scene[]): string {
  const title = `What fluxbot does on ${chats[surface] ?? surface}`
  const contents = scenes.map(({ name, title: each }) => `<li><a href="#${name}">${escaped(each)}</a></li>`)
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><style>${style}</style>
<body class="${surface}"><h1>${title}</h1><p>${escaped(about)}</p><ol>${contents.join('')}</ol>
${scenes.map(sceneHtml).join('\n')}</body></html>\n`
}

function sceneHtml({ name, title, about: text, steps, notes }: Scene): string {
  const measured = notes.map((note) => `<p class="note">📏 ${escaped(note)}</p>`)
  return `<section id="${name}"><h2>${escaped(title)}</h2><p>${escaped(text)}</p>
${steps.map(stepHtml).join('\n')}${measured.join('')}</section>`
}

function stepHtml({ who, where, did, said, on, sent, answers }: Step): string {
  const target = on === undefined ? '' : `<small>${toward(did)} “${escaped(on)}”</small>`
  const label = did === 'presses' ? 'kbd' : 'span'
  return `<article><div class="person"><b>${escaped(who)}</b><small>in ${escaped(where)}</small>${target}
<div><i>${escaped(did)}</i> ${said === '' ? '' : `<${label}>${escaped(said)}</${label}>`}</div>${sent.map((picture) => imageHtml(picture)).join('')}</div>
${answers.map(answerHtml).join('\n')}</article>`
}

function answerHtml({ kind, seenBy, text, pictures, isSpoiler, buttons }: Answer): string {
  const head = kind === 'removed' ? `<b>${kinds.removed}</b>` : `<b>fluxbot</b><i>${kinds[kind]}</i>`
  const rows = buttons.map((row) => `<div>${row.map((each) => `<kbd>${escaped(each)}</kbd>`).join('')}</div>`)
  const isOpen = seenBy.startsWith('everyone')
  return `<div class="bot ${kind}">${head}<small>${isOpen ? '👥' : '🔒'} ${escaped(seenBy)}</small>
<span>${escaped(text)}</span>${pictures.map((picture) => imageHtml(picture, isSpoiler)).join('')}${rows.join('')}</div>`
}

const imageHtml = ({ file, width, height }: SavedPicture, isSpoiler = false) =>
  `<figure><a href="${file}"><img src="${file}" alt="${file}"${isSpoiler ? ' class="spoiler"' : ''}></a>
<figcaption>${file} · ${width}×${height}${isSpoiler ? ' · covered until it is tapped' : ''}</figcaption></figure>`

const escaped = (text: string) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)

const style = `
body { margin: 0 auto; padding: 24px; max-width: 860px; font: 15px/1.45 system-ui, sans-serif; background: #f6f7f9; color: #1c1e21 }
h2 { margin: 40px 0 4px; padding-top: 12px; border-top: 2px solid #c9ccd3 }
article { margin: 18px 0 }
b { margin-right: 8px }
i { font-style: normal; opacity: .65 }
small { margin-right: 8px; font-size: 12.5px; opacity: .65 }
.person { padding: 8px 12px; border-left: 4px solid #8a94a6 }
.person span { padding: 1px 6px; border-radius: 6px; background: #e3e6ec; font-family: ui-monospace, monospace; font-size: 13.5px; white-space: pre-wrap }
.bot { margin: 8px 0 0 36px; padding: 9px 13px; border-radius: 12px; background: #fff; box-shadow: 0 1px 2px #0002 }
.bot > span { display: block; margin-top: 4px; white-space: pre-line; overflow-wrap: anywhere }
.bot > i { margin-right: 8px }
.bot div { display: flex; flex-wrap: wrap; gap: 5px; margin-top: 5px }
.notice, .choices { background: #fff8e1 }
.form { background: #eef3ff }
.removed { background: none; box-shadow: none; border: 1px dashed #b8bcc6 }
.removed > span { text-decoration: line-through; opacity: .6 }
kbd { padding: 2px 9px; border-radius: 6px; font: 13px/1.5 system-ui, sans-serif; background: #4e5058; color: #fff }
.telegram kbd { background: #5f8f6e }
.person kbd { background: #6b7280 }
figure { display: inline-block; margin: 6px 8px 0 0 }
figure a { display: block; overflow: hidden; border-radius: 8px }
img { display: block; max-width: 340px; max-height: 230px }
.spoiler { filter: blur(14px) }
figcaption { font-size: 12px; opacity: .65 }
.note { font-weight: 600 }
`
