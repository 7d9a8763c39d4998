/** Embeds and components as Discord returns them: with ids, defaults and resolved `attachment://` URLs. */
import type { ShownButton } from '../buttons.ts'
import { invalidForm } from './errors.ts'
import { snowflake } from './ids.ts'
import type { Attachment, Json } from './types.ts'

/** `dangling`: references to files the message does not have. Discord accepts these and shows no picture. */
export function renderEmbeds(embeds: Json[], attachments: Attachment[]): { embeds: Json[]; dangling: string[] } {
  const dangling: string[] = []

  function media(value: unknown): Json | undefined {
    const url = (value as Json | null | undefined)?.url
    if (typeof url !== 'string') return undefined
    const file = referenced(url, attachments)
    if (file) return { ...fileJson(file), url: file.url }
    if (!url.startsWith('attachment://')) return { url }
    dangling.push(url)
    return undefined
  }

  return {
    dangling,
    embeds: embeds.map(({ image, thumbnail, ...rest }) =>
      dropEmpty({ type: 'rich', ...rest, image: media(image), thumbnail: media(thumbnail) }),
    ),
  }
}

/** Throws if a component refers to a file that the message does not have. */
export function renderComponents(components: Json[], attachments: Attachment[]): Json[] {
  let lastId = 0

  function media(value: unknown, path: string): Json {
    const url = String((value as Json | undefined)?.url)
    const file = referenced(url, attachments)
    if (file) return { id: snowflake(), ...fileJson(file), url: file.url, attachment_id: file.id }
    if (!url.startsWith('attachment://')) return { id: snowflake(), url, proxy_url: url, width: null, height: null }
    throw invalidForm(
      path,
      'UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND',
      `The referenced attachment ${url} was not found`,
    )
  }

  function render(component: Json, path: string): Json {
    lastId += 1
    const plain = { id: lastId, ...dropEmpty(component) }
    const inner = (component.components as Json[] | undefined)?.map((child, i) =>
      render(child, `${path}.components.${i}`),
    )
    const base = inner ? { ...plain, components: inner } : plain
    const { description = null, spoiler = false, accent_color = null } = component
    switch (component.type) {
      case 3:
      case 5:
      case 6:
      case 7:
      case 8:
        return { min_values: 1, max_values: 1, ...base }
      case 9:
        return { ...base, accessory: render(component.accessory as Json, `${path}.accessory`) }
      case 11:
        return { ...base, description, spoiler, media: media(component.media, path) }
      case 12:
        return {
          ...base,
          items: (component.items as Json[]).map((item, i) => ({
            description: item.description ?? null,
            spoiler: item.spoiler ?? false,
            media: media(item.media, `${path}.items.${i}.media`),
          })),
        }
      case 13: {
        const file = media(component.file, path)
        const { filename, size } = attachments.find(({ id }) => id === file.attachment_id) ?? {}
        return { ...base, spoiler, file, name: filename ?? null, size: size ?? null }
      }
      case 14:
        return { spacing: 1, divider: true, ...base }
      case 17:
        return { ...base, accent_color, spoiler }
      default:
        return base
    }
  }

  return components.map((component, index) => render(component, `components.${index}`))
}

/** Ids of the files shown inside embeds and components, which the API leaves out of `attachments`. */
export function embedded(embeds: Json[], components: Json[], attachments: Attachment[]): Set<string> {
  if (attachments.length === 0 || (embeds.length === 0 && components.length === 0)) return new Set()
  const text = JSON.stringify([embeds, components])
  return new Set(attachments.filter(({ id }) => text.includes(`/${id}/`)).map(({ id }) => id))
}

/** Buttons by row, as people see them. A button beside a section has a row of its own. */
export function buttonsIn(components: Json[]): ShownButton[][] {
  const rows = [...everyComponent(components)].map((component) => {
    if (component.type === 1) return (component.components ?? []) as Json[]
    return accessory(component)
  })
  return rows.map((row) => row.filter(({ type }) => type === 2).map(shownButton)).filter((row) => row.length > 0)
}

const SHOWN_STYLES: Record<number, ShownButton['style']> = { 1: 'primary', 3: 'success', 4: 'danger' }

function shownButton({ label, emoji, custom_id: id, url, sku_id: sku, style, disabled }: Json): ShownButton {
  const words = [(emoji as Json | undefined)?.name, label].filter(Boolean)
  const shownStyle = SHOWN_STYLES[style as number]
  return {
    label: words.join(' '),
    ...(id ? { id: String(id) } : {}),
    ...(url ? { url: String(url) } : {}),
    ...(sku ? { sku: String(sku) } : {}),
    ...(shownStyle ? { style: shownStyle } : {}),
    ...(disabled ? { disabled: true } : {}),
  }
}

/** Walks depth first, including accessories. */
export function* everyComponent(components: Json[]): Generator<Json> {
  for (const component of components) {
    yield component
    yield* everyComponent([...((component.components ?? []) as Json[]), ...accessory(component)])
  }
}

const accessory = (component: Json) => (component.accessory ? [component.accessory as Json] : [])

function referenced(url: string, attachments: Attachment[]): Attachment | undefined {
  const name = url.startsWith('attachment://') ? url.slice('attachment://'.length) : undefined
  return attachments.find((file) => file.filename === name || file.url.split('?')[0] === url.split('?')[0])
}

function fileJson({ proxyUrl, contentType, width, height }: Attachment): Json {
  return dropEmpty({ proxy_url: proxyUrl, content_type: contentType, width, height })
}

function dropEmpty(object: Json): Json {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined && value !== null))
}
