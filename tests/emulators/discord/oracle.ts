/**
 * Checks the bot's requests and the emulator's responses against Discord's official OpenAPI document. Schemas are compiled
 * on first use, one per operation. There is no oracle without the document.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { ErrorObject, ValidateFunction } from 'ajv'
import type { Json } from './types.ts'

export interface Oracle {
  /** Describes a violation. `template`: the path as in the OpenAPI document. Absent: the body is valid. */
  request(method: string, template: string, body: unknown): string | undefined
  response(method: string, template: string, status: number, body: unknown): string | undefined
}

const ROOT = 'https://discord.invalid/openapi.json'

export async function createOracle(specPath: string): Promise<Oracle | undefined> {
  if (!existsSync(specPath)) return undefined
  const [{ Ajv2020 }, formats] = await Promise.all([import('ajv/dist/2020.js'), import('ajv-formats')])
  const ajv = new Ajv2020({ strict: false, validateSchema: false, logger: false })
  formats.default.default(ajv)
  const spec = JSON.parse(readFileSync(specPath, 'utf8')) as { paths: Record<string, Json> }
  ajv.addSchema({ ...spec, $id: ROOT })
  const compiled = new Map<string, ValidateFunction | undefined>()

  function validator(pointer: string[]): ValidateFunction | undefined {
    const path = pointer.map((part) => part.replace(/~/g, '~0').replace(/\//g, '~1')).join('/')
    if (!compiled.has(path)) {
      const schema = pointer.reduce<unknown>((node, part) => (node as Json | undefined)?.[part], spec)
      compiled.set(path, schema ? ajv.compile({ $ref: `${ROOT}#/${path}` }) : undefined)
    }
    return compiled.get(path)
  }

  function violation(pointer: string[], what: string, body: unknown): string | undefined {
    const validate = validator(pointer)
    if (!validate || validate(withoutFalseAlarms(body))) return undefined
    return `${what}: ${explain(validate.errors ?? [])}`
  }

  function answerPointer(method: string, template: string, status: number): string[] | undefined {
    const responses = (spec.paths[template]?.[method] as Json | undefined)?.responses as Json | undefined
    const key = [String(status), `${String(status)[0]}XX`].find((candidate) => responses?.[candidate])
    if (!key) return undefined
    const schema = ['content', 'application/json', 'schema']
    const shared = (responses?.[key] as { $ref?: string } | undefined)?.$ref
    return shared
      ? [...shared.split('/').slice(1), ...schema]
      : ['paths', template, method, 'responses', key, ...schema]
  }

  return {
    request(method, template, body) {
      const pointer = ['paths', template, method.toLowerCase(), 'requestBody', 'content', 'application/json', 'schema']
      return violation(pointer, `${method} ${template} request`, body)
    },
    response(method, template, status, body) {
      const pointer = answerPointer(method.toLowerCase(), template, status)
      return pointer && violation(pointer, `${method} ${template} response ${status}`, body)
    },
  }
}

/**
 * The document is wrong in three places. It says that `default_member_permissions` is an integer: clients send a string and
 * the API accepts it. It says that the `code` of an error of one field is an integer: the API sends words there, for
 * example `BASE_TYPE_BAD_LENGTH`. It knows two types of entitlements, the guide and the clients eight.
 */
function withoutFalseAlarms(body: unknown): unknown {
  if (Array.isArray(body)) return body.map(withoutFalseAlarms)
  if (typeof body !== 'object' || body === null) return body
  if ('default_member_permissions' in body) return { ...body, default_member_permissions: null }
  // the description demands a person, whom the reference calls optional
  if ('sku_id' in body && 'deleted' in body) {
    const { user_id: user, guild_id: guild } = body as { user_id?: string; guild_id?: string }
    return { ...body, type: 8, user_id: user ?? guild }
  }
  return 'errors' in body ? { ...body, errors: withNumericCodes(body.errors) } : body
}

function withNumericCodes(errors: unknown): unknown {
  if (Array.isArray(errors)) return errors.map((error) => ({ ...error, code: 0 }))
  if (typeof errors !== 'object' || errors === null) return errors
  return Object.fromEntries(Object.entries(errors).map(([field, error]) => [field, withNumericCodes(error)]))
}

/** Keeps the errors at the deepest path, because each other branch of a union also reports one further up. */
function explain(errors: ErrorObject[]): string {
  const deepest = Math.max(...errors.map(({ instancePath }) => instancePath.split('/').length))
  const texts = errors
    .filter(({ instancePath }) => instancePath.split('/').length === deepest)
    .map(({ instancePath, message }) => `${instancePath || '/'} ${message}`)
  return [...new Set(texts)].slice(0, 4).join('; ')
}
