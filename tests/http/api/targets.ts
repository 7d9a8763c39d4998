/** Every part of a request that may hold hostile input, for each operation, with the inputs. */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import type { Contract, Operation } from './contract.ts'
import { formOf, forms, headers, hostileJson, hostileText, made, segments, types, wholes } from './hostile.ts'
import { fieldsOf, jsonOf, type Sample, sampleOf } from './sample.ts'

export interface Shot {
  url: string
  headers?: Record<string, string>
  payload?: string | Buffer
}

export interface Target {
  operation: Operation
  /** 'body prompt', 'query page', 'path'. */
  name: string
  /** Made when they are sent, because some are large. */
  shots: fc.Arbitrary<() => Shot>
}

type Named = Omit<Target, 'operation'>

/** A valid request. */
interface Valid extends Sample {
  url: string
  shot: Shot
}

const json = { 'content-type': 'application/json' }
const multipart = { 'content-type': 'multipart/form-data; boundary=x' }
const names = /\{\w+\}/g
/** Below 16 kB, the limit for a request line. */
const longestUrl = 12_000

export function targetsOf(contract: Contract, operation: Operation): Target[] {
  const sample = sampleOf(contract, operation)
  const url = sample.path.replace(names, randomUUID())
  const body = sample.body && { headers: json, payload: jsonOf(sample.body) }
  const valid: Valid = { ...sample, url, shot: { url, ...body } }
  const all = [
    ...inBody(valid, fieldsOf(contract, operation, 'application/json')),
    ...inForm(valid, fieldsOf(contract, operation, 'multipart/form-data')),
    ...inQuery(valid, operation),
    ...inPath(valid),
    inHeaders(valid),
  ]
  return all.map((each) => ({ operation, ...each }))
}

function inBody({ body, form, url }: Valid, fieldNames: readonly string[]): Named[] {
  const whole = fc.tuple(fc.constantFrom(...Object.keys(wholes)), fc.constantFrom(...types))
  const anything = whole.map(([name, type]) => () => {
    const given: Record<string, string> = type === undefined ? {} : { 'content-type': type }
    return { url, headers: given, payload: wholes[name]?.(jsonOf(body ?? {})) }
  })
  if (!body) return form ? [{ name: 'body', shots: anything }] : []
  const fields = [...fieldNames, '__proto__', 'constructor', 'unheard_of'].map((field) => {
    const value = fc.tuple(hostileJson, fc.constantFrom('instead', 'too', 'missing'))
    const shots = value.map(([recipe, how]) => () => {
      const { [field]: _, ...others } = body
      const text = jsonOf(how === 'too' ? body : others)
      const comma = text === '{}' ? '' : ','
      const more = how === 'missing' ? '' : `${comma}${JSON.stringify(field)}:${made(recipe)}`
      return { url, headers: json, payload: `${text.slice(0, -1)}${more}}` }
    })
    return { name: `body ${field}`, shots }
  })
  return [...fields, { name: 'body', shots: anything }]
}

function inForm({ body, form, url }: Valid, fieldNames: readonly string[]): Named[] {
  if (!form && !body) return []
  const whole = fc.constantFrom(...Object.keys(forms)).map((name) => () => {
    return { url, headers: multipart, payload: forms[name]?.(formOf(form ?? {})) }
  })
  const fields = (form ? [...fieldNames, '__proto__', 'image[0]', 'mask'] : []).map((field) => {
    const shots = hostileText.map((text) => () => {
      return { url, headers: multipart, payload: `${formOf({ ...form, [field]: text })}--x--\r\n` }
    })
    return { name: `form ${field}`, shots }
  })
  return [...fields, { name: 'form', shots: whole }]
}

function inQuery({ url, shot }: Valid, { parameters = [] }: Operation): Named[] {
  const queryNames = parameters.filter((each) => each.in === 'query').map(({ name }) => name)
  return [...queryNames, '__proto__'].map((name) => {
    const shots = fc.array(hostileText, { minLength: 1, maxLength: 3 }).map((values) => () => {
      // unpaired surrogates cannot be encoded in a URL
      const written = values.map((text) => `${name}=${encodeURIComponent(text.replace(/\p{Cs}/gu, ''))}`)
      return { ...shot, url: `${url}?${written.join('&')}`.slice(0, longestUrl) }
    })
    return { name: `query ${name}`, shots }
  })
}

function inPath({ path, shot }: Valid): Named[] {
  if (!/\{\w+\}/.test(path)) return []
  const shots = fc
    .constantFrom(...segments)
    .map((segment) => () => ({ ...shot, url: path.replace(names, () => segment) }))
  return [{ name: 'path', shots }]
}

function inHeaders({ shot }: Valid): Named {
  const each = Object.entries(headers).flatMap(([name, values]) => values.map((value) => [name, value] as const))
  const shots = fc.constantFrom(...each).map(([name, value]) => () => ({
    ...shot,
    headers: { ...shot.headers, [name]: value },
  }))
  return { name: 'headers', shots }
}
