/** Parses and checks the input of a run, with the error messages of the real service. */
import { Busboy } from '@fastify/busboy'
import sharp from 'sharp'
import type { Received } from '../server.ts'
import type { EmulatedModel, Field, Input } from './models.ts'

/** Rejects with an Error whose message names the problem. */
export async function parseInput(received: Received, model: EmulatedModel): Promise<Input> {
  const type = received.headers['content-type'] ?? ''
  const input = model.form ? await parseForm(received.body, type) : parseJson(received.body)
  const { prompt, ...others } = model.fields
  if (input.prompt === undefined) throw new Error("Error: required properties at '/' are 'prompt'")
  for (const [name, value] of Object.entries(input)) {
    const field = { prompt, ...others }[name]
    if (!field) throw new Error(`Error: Additional or unevaluated properties '/${name}' at '/' not allowed`)
    await check(name, value, field)
  }
  return input
}

function parseJson(body: Buffer): Input {
  const value = JSON.parse(body.toString('utf8') || '{}') as unknown
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error('Error: not an object')
  return value as Input
}

/** Numbers in fields are parsed; files become buffers. */
async function parseForm(body: Buffer, type: string): Promise<Input> {
  if (!type.startsWith('multipart/form-data')) throw new Error("required properties at '/' are 'multipart'")
  const input: Record<string, unknown> = {}
  await new Promise<void>((done, failed) => {
    const parser = new Busboy({ headers: { 'content-type': type } })
    parser.on('field', (name, value) => {
      input[name] = name.includes('prompt') || value === '' || Number.isNaN(Number(value)) ? value : Number(value)
    })
    parser.on('file', (name, stream) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        input[name] = Buffer.concat(chunks)
      })
    })
    parser.on('finish', () => done())
    parser.on('error', failed)
    parser.end(body)
  })
  return input
}

async function check(name: string, value: unknown, field: Field): Promise<void> {
  if (field.type === 'file') return checkFile(name, value, field)
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = field
  const size = typeof value === 'string' ? value.length : Number(value)
  const typeFits = field.type === 'string' ? typeof value === 'string' : typeof value === 'number'
  if (!typeFits || (field.type === 'integer' && !Number.isInteger(value)))
    throw new Error(`Error: Type mismatch of '/${name}', '${field.type}' not in '${typeof value}'`)
  if (size < min) throw new Error(`Error: '/${name}' must be >= ${min}`) // [?] wording
  if (size > max) throw new Error(`Error: '/${name}' must be <= ${max}`) // [?] wording
}

async function checkFile(name: string, value: unknown, { max = 512 }: Field): Promise<void> {
  if (!Buffer.isBuffer(value)) throw new Error(`Error: Type mismatch of '/${name}', 'file' not in '${typeof value}'`)
  const { width, height } = await sharp(value)
    .metadata()
    .catch(() => ({ width: 0, height: 0 }))
  if (width === 0) throw new Error(`Error: '${name}' is not an image`) // [?] wording
  if (width > max || height > max) throw new Error(`Error: '${name}' must not be larger than ${max}x${max}`) // [?]
}
