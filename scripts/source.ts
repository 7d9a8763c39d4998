/** Reads source files with oxc's parser and picks out what a person reads in them: comments, strings, test titles. */
import { type Comment, type Node, type Program, parseSync, Visitor, type VisitorObject } from 'oxc-parser'

export interface Source {
  /** Path below the root, with `/`. */
  path: string
  text: string
  /** Absent: not TypeScript or JavaScript. */
  parsed?: { program: Program; comments: readonly Comment[] }
  /** Line of an offset, from 1. */
  lineAt(offset: number): number
}

export interface Passage {
  /** Without comment marks and escapes; line breaks are those of the source. */
  text: string
  /** Offset of the passage in the source. */
  start: number
}

export function parseFile(path: string, text: string): Source {
  const lineAt = (offset: number) => text.slice(0, offset).split('\n').length
  if (!/\.(?:ts|js)$/.test(path)) return { path, text, lineAt }
  const result = parseSync(path, text)
  const [error] = result.errors
  if (error) throw new Error(`Could not parse ${path}:${lineAt(error.labels[0]?.start ?? 0)}: ${error.message}`)
  // its properties are getters: oxc builds the tree on first access only
  return { path, text, parsed: result, lineAt }
}

/** Consecutive line comments are one passage, because a phrase may go on in the next line. */
export function commentsOf({ path, text, parsed }: Source): Passage[] {
  if (path.endsWith('.html')) return matches(text, /<!--.*?-->/gs)
  // also matches strings, because a comment mark inside a string does not start a comment
  if (path.endsWith('.css')) return matches(text, /\/\*.*?\*\/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/gs, /^\/\*/)
  const passages: Passage[] = []
  let previous: Comment | undefined
  for (const comment of parsed?.comments ?? []) {
    const last = passages.at(-1)
    const goesOn =
      comment.type === 'Line' && previous?.type === 'Line' && /^\n[ \t]*$/.test(text.slice(previous.end, comment.start))
    if (last && goesOn) last.text += `\n${comment.value}`
    else passages.push({ text: comment.value.replace(/^[ \t]*\*/gm, ''), start: comment.start })
    previous = comment
  }
  return passages
}

/** String and template literals; in HTML, everything outside comments. */
export function stringsOf({ path, text, parsed }: Source): Passage[] {
  if (path.endsWith('.html')) return [{ text: text.replace(/<!--.*?-->/gs, (comment) => blank(comment)), start: 0 }]
  if (!parsed) return []
  const passages: Passage[] = []
  visit(parsed.program, {
    Literal: (node) => passages.push(...stringsIn(node)),
    TemplateElement: (node) => passages.push(...stringsIn(node)),
  })
  return passages
}

/** First arguments of `it`, `describe` and `test`, also with modifiers such as `it.each(table)`. */
export function titlesOf({ parsed }: Source): Passage[] {
  const passages: Passage[] = []
  if (!parsed) return passages
  visit(parsed.program, {
    CallExpression: ({ callee, arguments: [title] }) => {
      if (title && ['it', 'describe', 'test'].includes(rootName(callee))) passages.push(...stringsIn(title))
    },
  })
  return passages
}

export function visit(program: Program, visitor: VisitorObject): void {
  new Visitor(visitor).visit(program)
}

/** `it` of `it.skipIf(slow).each(table)`. */
function rootName(node: Node): string {
  if (node.type === 'Identifier') return node.name
  if (node.type === 'MemberExpression') return rootName(node.object)
  if (node.type === 'CallExpression') return rootName(node.callee)
  if (node.type === 'TaggedTemplateExpression') return rootName(node.tag)
  return ''
}

/** String parts of an expression. Returns none for other expressions, such as the table of `it.each`. */
function stringsIn(node: Node): Passage[] {
  if (node.type === 'Literal') return typeof node.value === 'string' ? [written(node.raw ?? '', node.start)] : []
  if (node.type === 'TemplateElement') return [written(node.value.raw, node.start)]
  if (node.type === 'TemplateLiteral') return node.quasis.flatMap(stringsIn)
  if (node.type === 'BinaryExpression') return [node.left, node.right].flatMap(stringsIn)
  return []
}

/** Blanks escapes of the same length, because the n of `\nno` is not a letter of a word. */
function written(raw: string, start: number): Passage {
  return { text: raw.replace(/\\[^\n]/g, '  '), start }
}

function matches(text: string, pattern: RegExp, only = /^/): Passage[] {
  return [...text.matchAll(pattern)]
    .filter(([match]) => only.test(match))
    .map(({ 0: match, index }) => ({ text: match, start: index }))
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ')
}
