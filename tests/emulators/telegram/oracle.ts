/**
 * Checks the bot's calls and the emulator's responses and updates against a description of Bot API 10.1. Newer parameters
 * that are in use are listed below. There is no oracle without the description.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { FilePart, Json } from './types.ts'

interface Field {
  name: string
  types: string[]
  required: boolean
  description: string
}

interface Described {
  fields?: Field[]
  subtypes?: string[]
  returns?: string[]
}

interface Spec {
  methods: Record<string, Described>
  types: Record<string, Described>
}

/** Each method describes the violations it finds. */
export interface Oracle {
  /** `isText`: the parameters came as form, query or multipart, where numbers and booleans are text. */
  request(method: string, params: Json, from: { files: FilePart[]; isText: boolean }): string[]
  result(method: string, result: unknown): string[]
  update(update: unknown): string[]
  /** Exact spelling of a method of the Bot API. Absent: Telegram has no such method. */
  methodName(anyCase: string): string | undefined
}

/** Fields of Bot API 10.2 and 10.3. */
const NEWER = new Set(['ephemeral_message_parameters', 'can_stop', 'keep_on_stop', 'is_ephemeral'])

export function createOracle(specPath: string): Oracle | undefined {
  if (!existsSync(specPath)) return undefined
  const spec = JSON.parse(readFileSync(specPath, 'utf8')) as Spec
  const check = createCheck(spec)
  const names = new Map(Object.keys(spec.methods).map((name) => [name.toLowerCase(), name]))

  return {
    methodName: (anyCase) => names.get(anyCase.toLowerCase()),
    request(method, params, { files, isText }) {
      const described = spec.methods[method]
      if (!described) return []
      const uploads = files.map(({ field }) => [field, UPLOAD]).filter(([field]) => !(String(field) in params))
      const named = uploads.filter(([field]) => described.fields?.some(({ name }) => name === field))
      return check.fields({ ...params, ...Object.fromEntries(named) }, described.fields ?? [], { path: method, isText })
    },
    result(method, result) {
      const returns = spec.methods[method]?.returns
      return returns ? check.value(result, returns, { path: `answer to ${method}`, isText: false }) : []
    },
    update: (update) => check.value(update, ['Update'], { path: 'update', isText: false }),
  }
}

/** Value of a file parameter that is a part of a multipart request. */
const UPLOAD = 'attach://upload'

/** Part of a value that is being checked. */
interface Position {
  path: string
  isText: boolean
}

function createCheck({ types }: Spec) {
  function fields(object: Json, described: Field[], at: Position): string[] {
    const byName = new Map(described.map((field) => [field.name, field]))
    const problems: string[] = []
    for (const { name, required } of described) {
      if (required && (object[name] === undefined || object[name] === null))
        problems.push(`${at.path}: ${name} is missing`)
    }
    for (const [name, value] of Object.entries(object)) {
      const field = byName.get(name)
      if (!field && !NEWER.has(name)) problems.push(`${at.path}: ${name} is unknown`)
      if (field && value !== undefined && value !== null)
        problems.push(...check(value, field.types, { ...at, path: `${at.path}.${name}` }))
    }
    return problems
  }

  /** Returns nothing if the value has one of the types, else the violations of the type that fits best. */
  function check(value: unknown, allowed: string[], at: Position): string[] {
    let best: string[] | undefined
    for (const type of candidates(value, allowed)) {
      const problems = one(value, type, at)
      if (problems.length === 0) return []
      if (!best || problems.length < best.length) best = problems
    }
    return best ?? [`${at.path}: ${describe(value)} is none of ${allowed.join(', ')}`]
  }

  /** Omits the types of a union whose constant fields differ from those of the value. */
  function candidates(value: unknown, allowed: string[]): string[] {
    const open = allowed.flatMap((type) => types[type]?.subtypes ?? [type])
    if (open.length < 2 || typeof value !== 'object' || value === null) return open
    return open.filter((type) => {
      const constants = (types[type]?.fields ?? []).map((field) => [field.name, constantOf(field)] as const)
      return constants.every(([name, constant]) => !constant || (value as Json)[name] === constant)
    })
  }

  function one(value: unknown, type: string, at: Position): string[] {
    if (type.startsWith('Array of ')) {
      const inner = type.slice('Array of '.length)
      if (!Array.isArray(value)) return [wrong(value, type, at)]
      return value.flatMap((item, index) => check(item, [inner], { path: `${at.path}[${index}]`, isText: false }))
    }
    const primitive = PRIMITIVES[type]
    if (primitive) return primitive(value) || (at.isText && readsAs(type, value)) ? [] : [wrong(value, type, at)]
    const described = types[type]
    if (!described || (!described.fields && !described.subtypes)) return [] // the description does not define this type
    if (described.subtypes) return check(value, described.subtypes, at)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [wrong(value, type, at)]
    return fields(value as Json, described.fields ?? [], { ...at, isText: false })
  }

  return { fields, value: check }
}

const PRIMITIVES: Record<string, (value: unknown) => boolean> = {
  Integer: Number.isInteger,
  Float: Number.isFinite,
  String: (value) => typeof value === 'string',
  Boolean: (value) => typeof value === 'boolean',
  InputFile: (value) => typeof value === 'string' && value.startsWith('attach://'),
}

function readsAs(type: string, value: unknown): boolean {
  if (type === 'Integer') return /^-?\d+$/.test(String(value))
  if (type === 'Boolean') return ['true', 'false'].includes(String(value).toLowerCase())
  return type === 'Float' && Number.isFinite(Number(value))
}

/** Value of a constant field, from a description such as 'must be photo' or 'always "kicked"'. */
function constantOf({ name, description }: Field): string | undefined {
  if (!['type', 'status', 'source'].includes(name)) return undefined
  return /(?:must be|always) ["“]?(\w+)["”]?(?:\s|\.|$)/.exec(description)?.[1]
}

function wrong(value: unknown, type: string, { path }: Position): string {
  return `${path}: ${describe(value)} is not ${type}`
}

function describe(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 60) ?? 'nothing'
}
