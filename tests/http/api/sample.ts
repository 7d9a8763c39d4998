/** Valid requests, made from the OpenAPI document. */
import type { Contract, Operation, Schema } from './contract.ts'

const picture =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=='

export interface Sample {
  method: string
  path: string
  /** Fields of the body, each as JSON. */
  body: Readonly<Record<string, string>> | undefined
  /** Fields of the form. */
  form: Readonly<Record<string, string>> | undefined
}

/** Operation → required fields that its schema does not require, because pictures may come in several ways. */
const pictures: Readonly<Record<string, object>> = {
  fluxImageToImage: { image_url: picture },
  fluxMultiImageEdit: { image_urls: [picture, picture] },
}

export function sampleOf(contract: Contract, { method, path, operationId, requestBody }: Operation): Sample {
  const content = requestBody?.content ?? {}
  const json = content['application/json']?.schema
  const form = content['multipart/form-data']?.schema
  const fields = (schema: Schema) =>
    Object.entries<unknown>({ ...(smallest(contract, schema) as object), ...pictures[operationId] })
  return {
    method,
    path,
    body: json && Object.fromEntries(fields(json).map(([name, value]) => [name, JSON.stringify(value)])),
    form: form && Object.fromEntries(fields(form).map(([name, value]) => [name, String(value)])),
  }
}

/** Every field that a body of this operation may have. */
export function fieldsOf({ resolve }: Contract, { requestBody }: Operation, type: string): string[] {
  const schema = requestBody?.content[type]?.schema
  return schema === undefined ? [] : Object.keys(propertiesOf(resolve, schema))
}

function propertiesOf(resolve: Contract['resolve'], schema: Schema): Record<string, Schema> {
  const { properties = {}, anyOf = [], allOf } = resolve(schema) as Schema & { allOf?: Schema[] }
  const parts = [...anyOf, ...(allOf ?? [])].map((each) => propertiesOf(resolve, each))
  return Object.assign({}, ...parts, properties)
}

/** The required fields, with the smallest valid values. */
function smallest(contract: Contract, given: Schema, name = ''): unknown {
  const schema = contract.resolve(given)
  const [first] = schema.anyOf ?? schema.enum ?? []
  if (schema.anyOf) return smallest(contract, first as Schema, name)
  if (schema.enum) return first
  if (schema.const !== undefined) return schema.const
  const [type] = [schema.type].flat()
  if (type === 'object') {
    const { properties = {}, required = [] } = schema
    const wanted = new Set([...required, ...Object.keys(properties).filter((key) => key === 'prompt')])
    const values = [...wanted].map((key) => [key, smallest(contract, properties[key] ?? {}, key)])
    return { ...Object.fromEntries(values), ...(name === 'messages' && { role: 'user', content: 'a cat' }) }
  }
  if (type === 'array') return [smallest(contract, schema.items ?? {}, name)]
  if (type === 'integer' || type === 'number') return Math.max(1, schema.minimum ?? 1)
  if (type === 'boolean') return false
  if (name === 'provider') return 'sketch'
  return /image|url|picture/.test(name) ? picture : 'a cat'
}

export const jsonOf = (fields: Readonly<Record<string, string>>) =>
  `{${Object.entries(fields)
    .map(([name, json]) => `${JSON.stringify(name)}:${json}`)
    .join(',')}}`
