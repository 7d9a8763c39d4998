/**
 * The Bot API's own description as a second opinion: does the bot send, and do we answer, what is written there?
 * It is version 10.1; what is newer and known is listed below. Without the file there is no oracle.
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

/** Each call returns complaints in words, none when all is well. */
export interface Oracle {
  /** `isText`: the parameters came as a form or a query, where numbers and booleans are text. */
  request(method: string, params: Json, from: { files: FilePart[]; isText: boolean }): string[]
  result(method: string, result: unknown): string[]
  update(update: unknown): string[]
  /** The exact spelling of a method that Telegram has, whatever this emulator does. */
  methodName(anyCase: string): string | undefined
}

/** Bot API 10.2 and 10.3. */
const NEWER = new Set(['ephemeral_message_parameters', 'can_stop', 'keep_on_stop', 'is_ephemeral'])

const specs = new Map<string, Spec>()

export function createOracle(specPath: string): Oracle | undefined {
  if (!existsSync(specPath)) return undefined
  const spec = specs.get(specPath) ?? (JSON.parse(readFileSync(specPath, 'utf8')) as Spec)
  specs.set(specPath, spec)
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

/** Stands for a file that came as a part of its own. */
const UPLOAD = 'attach://upload'

interface Place {
  path: string
  isText: boolean
}

function createCheck({ types }: Spec) {
  function fields(object: Json, described: Field[], place: Place): string[] {
    const known = new Map(described.map((field) => [field.name, field]))
    const complaints: string[] = []
    for (const { name, required } of described) {
      if (required && (object[name] === undefined || object[name] === null))
        complaints.push(`${place.path}: ${name} is missing`)
    }
    for (const [name, value] of Object.entries(object)) {
      const field = known.get(name)
      if (!field && !NEWER.has(name)) complaints.push(`${place.path}: ${name} is unknown`)
      if (field && value !== undefined && value !== null)
        complaints.push(...check(value, field.types, { ...place, path: `${place.path}.${name}` }))
    }
    return complaints
  }

  /** One of `allowed` must fit; else the complaints about the one that fits best. */
  function check(value: unknown, allowed: string[], place: Place): string[] {
    let best: string[] | undefined
    for (const type of candidates(value, allowed)) {
      const complaints = one(value, type, place)
      if (complaints.length === 0) return []
      if (!best || complaints.length < best.length) best = complaints
    }
    return best ?? [`${place.path}: ${describe(value)} is none of ${allowed.join(', ')}`]
  }

  /** In a union of objects that name their type, only those of the value's type are worth a look. */
  function candidates(value: unknown, allowed: string[]): string[] {
    const open = allowed.flatMap((type) => types[type]?.subtypes ?? [type])
    if (open.length < 2 || typeof value !== 'object' || value === null) return open
    return open.filter((type) => {
      const constants = (types[type]?.fields ?? []).map((field) => [field.name, constantOf(field)] as const)
      return constants.every(([name, constant]) => !constant || (value as Json)[name] === constant)
    })
  }

  function one(value: unknown, type: string, place: Place): string[] {
    if (type.startsWith('Array of ')) {
      const inner = type.slice('Array of '.length)
      if (!Array.isArray(value)) return [wrong(value, type, place)]
      return value.flatMap((item, index) => check(item, [inner], { path: `${place.path}[${index}]`, isText: false }))
    }
    const primitive = PRIMITIVES[type]
    if (primitive) return primitive(value) || (place.isText && readsAs(type, value)) ? [] : [wrong(value, type, place)]
    const described = types[type]
    if (!described || (!described.fields && !described.subtypes)) return [] // a type the file says nothing about
    if (described.subtypes) return check(value, described.subtypes, place)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [wrong(value, type, place)]
    return fields(value as Json, described.fields ?? [], { ...place, isText: false })
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

/** 'must be photo', 'always "kicked"'. */
function constantOf({ name, description }: Field): string | undefined {
  if (!['type', 'status', 'source'].includes(name)) return undefined
  return /(?:must be|always) ["“]?(\w+)["”]?(?:\s|\.|$)/.exec(description)?.[1]
}

function wrong(value: unknown, type: string, { path }: Place): string {
  return `${path}: ${describe(value)} is not ${type}`
}

function describe(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 60) ?? 'nothing'
}
