/** Reads the protobuf form of OTLP into its JSON form, as opentelemetry-proto's trace.proto numbers the fields. */

type Field = [name: string, kind: 'text' | 'id' | 'fixed64' | 'varint' | 'double' | Shape, repeated?: 'repeated']
type Shape = Readonly<Record<number, Field>>

const value: Record<number, Field> = {
  1: ['stringValue', 'text'],
  2: ['boolValue', 'varint'],
  3: ['intValue', 'varint'],
  4: ['doubleValue', 'double'],
}
value[5] = ['arrayValue', { 1: ['values', value, 'repeated'] }]
const attribute: Shape = { 1: ['key', 'text'], 2: ['value', value] }
const event: Shape = { 2: ['name', 'text'], 3: ['attributes', attribute, 'repeated'] }
const span: Shape = {
  1: ['traceId', 'id'],
  2: ['spanId', 'id'],
  4: ['parentSpanId', 'id'],
  5: ['name', 'text'],
  7: ['startTimeUnixNano', 'fixed64'],
  8: ['endTimeUnixNano', 'fixed64'],
  9: ['attributes', attribute, 'repeated'],
  11: ['events', event, 'repeated'],
  15: ['status', { 2: ['message', 'text'], 3: ['code', 'varint'] }],
}
const resource: Shape = { 1: ['attributes', attribute, 'repeated'] }
const resourceSpans: Shape = {
  1: ['resource', resource],
  2: ['scopeSpans', { 2: ['spans', span, 'repeated'] }, 'repeated'],
}

export const readTraces = (bytes: Buffer): unknown => read(bytes, { 1: ['resourceSpans', resourceSpans, 'repeated'] })

function read(bytes: Buffer, shape: Shape): unknown {
  const found: Record<string, unknown> = {}
  let at = 0
  const varint = () => {
    let result = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]
      if (byte === undefined) throw new Error('the message is cut off')
      result += (byte & 127) * factor
      if (byte < 128) return result
    }
  }
  const take = (length: number) => {
    if (at + length > bytes.length) throw new Error('the message is cut off')
    at += length
    return bytes.subarray(at - length, at)
  }
  const byWireType: Readonly<Record<number, () => number | Buffer>> = {
    0: varint,
    1: () => take(8),
    2: () => take(varint()),
    5: () => take(4),
  }
  while (at < bytes.length) {
    const tag = varint()
    const raw = byWireType[tag & 7]?.()
    if (raw === undefined) throw new Error(`wire type ${tag & 7} does not exist`)
    const [name, kind, repeated] = shape[tag >>> 3] ?? []
    if (name === undefined || kind === undefined) continue
    const one = Buffer.isBuffer(raw) ? decoded(raw, kind) : raw
    if (repeated) found[name] = [...((found[name] ?? []) as unknown[]), one]
    else found[name] = one
  }
  return found
}

function decoded(raw: Buffer, kind: Field[1]): unknown {
  if (typeof kind === 'object') return read(raw, kind)
  if (kind === 'text') return raw.toString('utf8')
  if (kind === 'id') return raw.toString('hex')
  return kind === 'double' ? raw.readDoubleLE() : String(raw.readBigUInt64LE())
}
