import { describe, expect, it } from 'vitest'
import { asAppError } from '../../../src/core/errors.ts'
import type { Lora, Model, Takes } from '../../../src/core/ports/models.ts'
import { checkParams } from '../../../src/core/request/check.ts'
import { fitParams } from '../../../src/core/request/fit.ts'
import { namesLora, shownLoras } from '../../../src/core/request/loras.ts'
import { formatParams, parseMessage } from '../../../src/core/request/parse.ts'

const parse = (text: string) => parseMessage(text, { ratios: ['1:1', '16:9'] })
const hub = 'https://huggingface.co/ann/ink/resolve/main/ink--v2.safetensors'

function errorOf(run: () => unknown) {
  try {
    run()
  } catch (error) {
    return asAppError(error)
  }
  throw new Error('nothing was thrown')
}

describe('LoRAs in the words of a request', () => {
  it.each<[string, readonly Lora[]]>([
    ['a cat --lora pixel', [{ path: 'pixel' }]],
    ['a cat --lora Pixel:0.8', [{ path: 'pixel', scale: 0.8 }]],
    [`--lora ${hub} a cat`, [{ path: hub }]],
    [`a --lora=${hub}:.75 cat`, [{ path: hub, scale: 0.75 }]],
    [`a cat —lora：${hub}：1.2，`, [{ path: hub, scale: 1.2 }]],
    [`a cat --lora <${hub}>:2`, [{ path: hub, scale: 2 }]],
    [
      `a cat --lora pixel:1--lora ink:0`,
      [
        { path: 'pixel', scale: 1 },
        { path: 'ink', scale: 0 },
      ],
    ],
    [
      `a cat --lora "pixel:1, ${hub}:0.5" --lora ink`,
      [{ path: 'pixel', scale: 1 }, { path: hub, scale: 0.5 }, { path: 'ink' }],
    ],
    [
      'a cat --lora https://civitai.com/api/download/models/1?type=Model&format=SafeTensor',
      [{ path: 'https://civitai.com/api/download/models/1?type=Model&format=SafeTensor' }],
    ],
  ])('%j', (text, loras) => {
    expect(parse(text)).toEqual({ prompt: 'a cat', loras })
    expect(parse(formatParams({ prompt: 'a cat', loras }))).toEqual({ prompt: 'a cat', loras })
  })

  it.each([
    ['--lora', 'bad_option'],
    ['--lora a/b', 'lora_address'],
    ['--lora http://huggingface.co/a.safetensors', 'lora_address'],
    ['--lora https://ann:secret@huggingface.co/a.safetensors', 'lora_address'],
    ['--lora https://civitai.com/api/download/models/1?token=secret', 'lora_address'],
    ['--lora https://ann:very@secret@huggingface.co/a.safetensors', 'lora_address'],
    ['--lora https:ann:secret@huggingface.co/a.safetensors', 'lora_address'],
    ['--lora "https:\\\\ann:secret@huggingface.co/a.safetensors"', 'lora_address'],
    ['--lora https://example.blob.core.windows.net/a.safetensors?sp=r&sig=secret', 'lora_address'],
    ['--lora https://example.com/a.safetensors?Authorization=secret', 'lora_address'],
    ['--lora https://localhost/a.safetensors', 'lora_address'],
    ['--lora https://127.0.0.1/a.safetensors', 'lora_address'],
    ['--lora https://[::1]/a.safetensors', 'lora_address'],
    ['--lora https://huggingface.co:8443/a.safetensors', 'lora_address'],
    ['--lora https://huggingface.co/a:1:2', 'lora_address'],
    ['--lora ftp://huggingface.co/a', 'lora_address'],
    [`--lora https://huggingface.co/${'a'.repeat(500)}`, 'lora_address'],
    [`--lora "${Array(17).fill('pixel').join(' ')}"`, 'too_many_loras'],
  ])('%.80j is refused', (written, kind) => {
    const error = errorOf(() => parse(`a cat ${written}`))
    expect(error.kind).toBe(kind)
    expect(JSON.stringify([error.message, error.data])).not.toMatch(/secret|very/)
  })

  it('are shown by the name of their file', () => {
    const loras = [{ path: hub, scale: 0.8 }, { path: 'pixel' }, { path: 'a' }, { path: 'b' }]
    expect(shownLoras(loras)).toEqual(['ink--v2:0.8', 'pixel', 'a', '…'])
  })

  it('are no links to pictures', () => {
    expect(namesLora(`a cat --lora ${hub}:0.8`, hub)).toBe(true)
    expect(namesLora(`a cat like ${hub}`, hub)).toBe(false)
  })
})

describe('a model with LoRAs', () => {
  const takes: Takes = {
    images: { min: 0, max: 0 },
    count: 1,
    aspects: { '1:1': [512, 512] },
    params: {},
    loras: { max: 2, range: { min: 0, max: 2 }, names: ['pixel'], hosts: ['huggingface.co'] },
  }
  const model: Model = {
    id: 'styled',
    aliases: [],
    title: 'Styled',
    price: 1,
    routes: [{ provider: 'p', endpoint: 'e', takes, input: () => null }],
  }
  const check = (loras: Lora[], on = takes) => checkParams({ model, takes: on }, { prompt: 'a cat', loras }, 0)

  it('takes those that it has, and those of its hosts', () => {
    const loras = [{ path: 'pixel', scale: 2 }, { path: hub }]
    expect(check(loras).loras).toEqual(loras)
    expect(check([{ path: 'https://cdn.huggingface.co/a' }]).loras).toHaveLength(1)
    const anywhere = { ...takes, loras: { ...takes.loras!, hosts: ['*'] } }
    expect(check([{ path: 'https://example.com/a' }], anywhere).loras).toHaveLength(1)
  })

  it.each<[string, Lora[], object]>([
    ['a name that it lacks', [{ path: 'ink' }], { kind: 'unknown_lora', data: { lora: 'ink', available: ['pixel'] } }],
    ['a name of every object', [{ path: 'constructor' }], { kind: 'unknown_lora' }],
    ['another host', [{ path: 'https://evil-huggingface.co/a' }], { kind: 'unknown_lora' }],
    ['too many', [{ path: 'pixel' }, { path: 'pixel' }, { path: hub }], { kind: 'too_many_loras', data: { limit: 2 } }],
    ['a scale beyond its range', [{ path: 'pixel', scale: 3 }], { kind: 'bad_option', data: { value: 'pixel:3' } }],
    ['a scale that is no number', [{ path: 'pixel', scale: Number.NaN }], { kind: 'bad_option' }],
  ])('refuses %s', (_, loras, error) => {
    expect(errorOf(() => check(loras))).toMatchObject(error)
  })

  it('differs from one that takes none', () => {
    const { loras: _, ...without } = takes
    expect(errorOf(() => check([{ path: 'pixel' }], without))).toMatchObject({
      kind: 'not_taken',
      data: { name: 'loras' },
    })
  })

  it('gets scales that are moved into its range, where parameters are made to fit', () => {
    const { loras, fit } = fitParams(takes, { prompt: 'a cat', loras: [{ path: 'pixel', scale: 9 }, { path: hub }] })
    expect(loras).toEqual([{ path: 'pixel', scale: 2 }, { path: hub }])
    expect(fit).toEqual({ ignored: [], adjusted: ['loras'] })
  })
})
