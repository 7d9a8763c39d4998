/**
 * LoRAs: extra weights that a picture is drawn with. People name them by an address, `https://huggingface.co/a/b.safetensors:0.8`, or
 * by a name that the model has for one. The service loads them; fluxbot never does.
 */

import { AppError } from '../errors.ts'
import type { Lora, Takes } from '../ports/models.ts'
import { shorten } from '../text.ts'

/** Characters of an address. */
const longest = 500
/** LoRAs of one request. No model takes more. */
export const mostLoras = 16
/** Characters shown of an address. */
const shownCharacters = 60
/** Characters of each LoRA in a caption, and LoRAs in one caption. */
const captionCharacters = 40
const captionLoras = 3

export const loraExample = 'https://huggingface.co/ann/ink/resolve/main/ink.safetensors:0.8'
export const loraName = /^[a-z0-9][a-z0-9_.-]{0,39}$/
/** `localhost`, 10.0.0.1 and the like have no public name. */
const publicHost = /\.[a-z][a-z0-9-]*$/
/** Parameters of an address that would show a key to everyone who sees the recipe. */
const secretName = /token|secret|passw|pwd|signature|^sig$|credential|^auth$|authori[sz]ation|jwt|key$/i
/** With angle brackets, which keep Discord from showing a preview. */
const written = /^<?(.+?)>?(?:[:：](-?(?:\d{1,3}(?:\.\d{1,4})?|\.\d{1,4})))?>?$/su
const endsLikeScale = /[:：]-?[\d.]+$/u

/** One or several, with spaces between them. Throws AppError lora_address, bad_option. */
export function readLoras(text: string): Lora[] {
  const parts = text.split(/[\s、，]+/u).map((part) => part.replace(/[,;]+$/, ''))
  const loras = parts.filter((part) => part !== '').map(readLora)
  if (loras.length === 0) throw new AppError('bad_option', { name: 'loras', value: '', expected: loraExample })
  return checkNumber(loras)
}

/** Throws AppError too_many_loras. */
export function checkNumber(loras: Lora[]): Lora[] {
  if (loras.length > mostLoras) throw new AppError('too_many_loras', { limit: mostLoras })
  return loras
}

function readLora(text: string): Lora {
  const [, path = text, scale] = written.exec(text) ?? []
  return { path: readLoraPath(path), ...(scale !== undefined && { scale: Number(scale) }) }
}

function parsed(address: string): URL | undefined {
  try {
    return new URL(address)
  } catch {
    return undefined
  }
}

/** A name in lower case, or an address. Throws AppError lora_address. */
export function readLoraPath(text: string): string {
  const name = text.toLowerCase()
  if (loraName.test(name)) return name
  // a chat may show the refusal to other people
  const value = text.replace(/\?.*$/s, '?…').replace(/^.*@/s, '…@')
  const refused = new AppError('lora_address', { value: shorten(value, shownCharacters), expected: loraExample })
  const url = text.length > longest ? undefined : parsed(text)
  if (!url) throw refused
  url.hash = ''
  const { protocol, username, password, hostname, port, searchParams, href } = url
  const isSecret = username !== '' || password !== '' || [...searchParams.keys()].some((each) => secretName.test(each))
  if (protocol !== 'https:' || port !== '' || !publicHost.test(hostname) || isSecret) throw refused
  // it would be read as a scale
  if (href.length > longest || endsLikeScale.test(href)) throw refused
  return href
}

/** Text that `readLoras` reads as the same LoRA. */
export const formatLora = ({ path, scale }: Lora) => (scale === undefined ? path : `${path}:${scale}`)

export const formatLoras = (loras: readonly Lora[]) => loras.map(formatLora).join(' ')

/** For captions: the first ones. */
export function shownLoras(loras: readonly Lora[]): string[] {
  const shown = loras.slice(0, captionLoras).map(shownLora)
  return loras.length > captionLoras ? [...shown, '…'] : shown
}

/** Of an address only the name of the file. */
function shownLora({ path, scale }: Lora): string {
  const last = isAddress(path)
    ? path
        .replace(/[?].*$/, '')
        .replace(/\/+$/, '')
        .split('/')
        .at(-1)
    : path
  return formatLora({ path: shorten((last ?? path).replace(/\.safetensors$/, ''), captionCharacters), scale })
}

const isAddress = (path: string) => path.includes('/')

interface Asked {
  /** Id of the model. */
  model: string
  takes: Takes
}

/** Why a model does not draw with them. undefined: it does. */
export function lorasRefused({ model, takes }: Asked, loras: readonly Lora[] | undefined): AppError | undefined {
  const { loras: taken } = takes
  if (loras === undefined) return undefined
  if (!taken) return new AppError('not_taken', { name: 'loras', model })
  if (loras.length > taken.max) return new AppError('too_many_loras', { model, limit: taken.max })
  for (const lora of loras) {
    const { path, scale } = lora
    const { names, hosts, range } = taken
    if (!(isAddress(path) ? isAt(hosts, path) : names.includes(path))) {
      return new AppError('unknown_lora', { lora: shorten(path, shownCharacters), model, available: names, hosts })
    }
    if (scale !== undefined && !(scale >= range.min && scale <= range.max)) {
      return new AppError('bad_option', {
        name: 'loras',
        value: shownLora(lora),
        expected: `:${range.min}–:${range.max}`,
      })
    }
  }
  return undefined
}

/** `*` stands for all hosts. A host includes those below it. */
function isAt(hosts: readonly string[], address: string): boolean {
  const { hostname } = new URL(address)
  return hosts.some((host) => host === '*' || hostname === host || hostname.endsWith(`.${host}`))
}

const named = /lora[\s=:：]+<?(https:\/\/[^\s>]+)/giu

/** Whether a text names this address as a LoRA: a preview of it is no picture to start from. */
export const namesLora = (text: string, address: string) =>
  [...text.matchAll(named)].some(([, found = '']) => found.startsWith(address))
