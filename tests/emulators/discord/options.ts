/** Converts the values a person enters into a slash command to interaction options, checked against the registered command. */
import { attachmentJson, type Cdn } from './cdn.ts'
import type { Attachment, Json, OptionValue, Upload } from './types.ts'

const TYPE = {
  subcommand: 1,
  group: 2,
  string: 3,
  integer: 4,
  boolean: 5,
  user: 6,
  channel: 7,
  role: 8,
  number: 10,
  attachment: 11,
}

export interface Filled {
  options: Json[]
  resolved: Json
}

/** `path`: the command as typed, `credits` or `admin user grant`. Throws if Discord's client would not send it. */
export function fillOptions(
  command: Json | undefined,
  path: string[],
  values: Record<string, OptionValue>,
  upload: (file: Upload) => Attachment,
  resolveUser: (id: string) => Json,
): Filled {
  const attachments: Json = {}
  const users: Json = {}
  const channels: Json = {}
  const roles: Json = {}

  function fill(definitions: Json[] | undefined, rest: string[]): Json[] {
    const [name, ...deeper] = rest
    if (name === undefined) return Object.entries(values).map(([key, value]) => option(definitions, key, value))
    const definition = definitions?.find((candidate) => candidate.name === name)
    if (definitions && !definition) throw new Error(`/${path.join(' ')}: there is no sub-command "${name}"`)
    const type = definition?.type ?? (deeper.length > 0 ? TYPE.group : TYPE.subcommand)
    return [{ name, type, options: fill(definition && children(definition), deeper) }]
  }

  function option(definitions: Json[] | undefined, name: string, value: OptionValue): Json {
    const definition = definitions?.find((candidate) => candidate.name === name)
    if (definitions && !definition) throw new Error(`/${path.join(' ')} has no option "${name}"`)
    const type = (definition?.type as number | undefined) ?? typeOf(value)
    if (definition) checkValue(definition, value)
    if (typeof value === 'object') {
      const file = upload(value)
      attachments[file.id] = attachmentJson(file, true)
      return { name, type, value: file.id }
    }
    if (type === TYPE.user) users[String(value)] = resolveUser(String(value))
    if (type === TYPE.channel) channels[String(value)] = { id: value, type: 0, name: 'channel', permissions: '0' }
    if (type === TYPE.role) roles[String(value)] = roleJson(String(value))
    return { name, type, value }
  }

  const definitions = command && children(command)
  const options = fill(definitions, path.slice(1))
  const missing = leaf(definitions, path.slice(1))?.find(({ name, required }) => required && !(String(name) in values))
  if (missing) throw new Error(`/${path.join(' ')} requires the option "${missing.name}"`)
  const resolved = {
    ...(Object.keys(attachments).length > 0 ? { attachments } : {}),
    ...(Object.keys(users).length > 0 ? { users } : {}),
    ...(Object.keys(channels).length > 0 ? { channels } : {}),
    ...(Object.keys(roles).length > 0 ? { roles } : {}),
  }
  return { options, resolved }
}

const roleJson = (id: string): Json => ({
  id,
  name: `role-${id.slice(-3)}`,
  permissions: '0',
  position: 1,
  color: 0,
  hoist: false,
  managed: false,
  mentionable: false,
})

/** Stores files that people attach to options and modals. They have a folder of their own and are ephemeral. */
export function uploader(cdn: Cdn, applicationId: string) {
  return (file: Upload): Attachment => {
    const attachment = cdn.make(file, `/ephemeral-attachments/${applicationId}`)
    cdn.publish(attachment)
    return attachment
  }
}

const children = (definition: Json) => (definition.options ?? []) as Json[]

function leaf(definitions: Json[] | undefined, rest: string[]): Json[] | undefined {
  const [name, ...deeper] = rest
  if (name === undefined) return definitions
  const definition = definitions?.find((candidate) => candidate.name === name)
  return definition && leaf(children(definition), deeper)
}

function typeOf(value: OptionValue): number {
  if (typeof value === 'string') return TYPE.string
  if (typeof value === 'boolean') return TYPE.boolean
  if (typeof value === 'object') return TYPE.attachment
  return Number.isInteger(value) ? TYPE.integer : TYPE.number
}

function checkValue(definition: Json, value: OptionValue) {
  const { name, type, choices, min_value: least, max_value: most, max_length: longest } = definition
  const refuse = (reason: string) => {
    throw new Error(`option "${name}": ${reason}`)
  }
  const fits: Record<number, boolean> = {
    [TYPE.string]: typeof value === 'string',
    [TYPE.integer]: Number.isInteger(value),
    [TYPE.boolean]: typeof value === 'boolean',
    [TYPE.channel]: typeof value === 'string',
    [TYPE.role]: typeof value === 'string',
    [TYPE.number]: typeof value === 'number',
    [TYPE.attachment]: typeof value === 'object',
  }
  if (fits[type as number] === false) refuse(`${JSON.stringify(value)} is not of its type ${type}`)
  const offered = choices as { value: unknown }[] | undefined
  if (offered?.length && !offered.some((choice) => choice.value === value)) refuse(`${value} is not one of its choices`)
  if (typeof value === 'number' && typeof least === 'number' && value < least) refuse(`${value} is below ${least}`)
  if (typeof value === 'number' && typeof most === 'number' && value > most) refuse(`${value} is above ${most}`)
  if (typeof value === 'string' && value.length > ((longest as number | undefined) ?? 6000)) refuse('it is too long')
}
