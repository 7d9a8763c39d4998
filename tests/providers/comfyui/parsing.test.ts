import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cutText } from '../../../src/providers/comfyui/cut-text.ts'
import { submitError } from '../../../src/providers/comfyui/errors.ts'

describe('cutText', () => {
  it.each([
    ['leaves a short text unchanged', 'a cute cat, in the rain', 77, 'a cute cat, in the rain'],
    ['cuts between words', 'cat dog cow owl', 4, 'cat dog'],
    ['cuts before a long word that does not fit', 'cat hippopotamus', 5, 'cat'],
    ['cuts between ideographs', '一只可爱的猫', 5, '一只可'],
    ['cuts inside an endless word', 'x'.repeat(100), 12, 'x'.repeat(40)],
    ['counts each digit and sign', '12345!!!!!', 6, '1234'],
    ['never splits an emoji', '🐱🐱🐱🐱', 4, '🐱🐱'],
    ['never splits a letter', `a${'𝒳'.repeat(9)}`, 5, 'a𝒳𝒳'],
    ['counts more tokens for other alphabets', 'кот кошка собака', 7, 'кот кошка'],
  ])('%s', (_what, text, tokens, expected) => {
    expect(cutText(text, tokens)).toEqual({ text: expected, cut: text !== expected })
  })

  it('returns a prefix of whole characters, which a second cut leaves unchanged', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), fc.integer({ min: 3, max: 60 }), (text, tokens) => {
        const once = cutText(text, tokens)
        expect(text.startsWith(once.text)).toBe(true)
        expect(once.text).not.toMatch(/\p{Surrogate}/u)
        expect(cutText(once.text, tokens)).toEqual({ text: once.text, cut: false })
      }),
      { numRuns: 2_000 },
    )
  })

  it('cuts long texts in less than a second', () => {
    const before = performance.now()
    for (const text of ['word '.repeat(20_000), 'x'.repeat(100_000), '猫'.repeat(100_000)]) cutText(text, 100_000)
    expect(performance.now() - before).toBeLessThan(1_000)
  })
})

describe('the error for a refused graph', () => {
  const response = (status: number, body: unknown) => ({
    status,
    headers: {},
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  })
  const details =
    "unet_name: 'x.safetensors' not in ['a.safetensors', 'b.safetensors', 'c.safetensors', 'd.safetensors']"
  const nodeErrors = (input: object) => ({
    '12': { errors: [input], dependent_outputs: ['9'], class_type: 'UNETLoader' },
  })
  const error = { type: 'prompt_outputs_failed_validation', message: 'Prompt outputs failed validation', details: '' }

  it.each<[string, unknown, string]>([
    [
      'node and input',
      {
        error,
        node_errors: nodeErrors({
          ...{ type: 'value_not_in_list', message: 'Value not in list', details },
          extra_info: { input_name: 'unet_name', received_value: 'x.safetensors' },
        }),
      },
      "node 12 (UNETLoader), unet_name: 'x.safetensors' not in list",
    ],
    [
      'a missing input picture',
      {
        error,
        node_errors: nodeErrors({
          ...{ type: 'custom_validation_failed', message: 'Custom validation failed for node' },
          ...{ details: 'image - Invalid image file: foo.png', extra_info: { input_name: 'image' } },
        }),
      },
      'node 12 (UNETLoader), image: Custom validation failed for node (Invalid image file: foo.png)',
    ],
    [
      'the general error when node errors are an empty list',
      { error: { ...error, details: 'x' }, node_errors: [] },
      `${error.message} (x)`,
    ],
    ['an error that is only a text', { error: 'no graph', node_errors: {} }, 'no graph'],
  ])('names %s', (_what, body, reason) => {
    expect(submitError(response(400, body))).toMatchObject({
      kind: 'provider_refused',
      data: { reason },
      neverRan: true,
    })
  })

  it("does not say that nothing ran after a proxy's error page, unless the proxy refused the request itself", () => {
    expect(submitError(response(400, '<html>'))).toMatchObject({ kind: 'provider_refused', neverRan: false })
    expect(submitError(response(404, '<html>')).neverRan).toBe(false)
    expect(submitError(response(500, { error }))).toMatchObject({ kind: 'provider_failed', neverRan: false })
    expect(submitError(response(401, '<html>'))).toMatchObject({ kind: 'provider_account', neverRan: true })
    expect(submitError(response(413, '<html>'))).toMatchObject({ kind: 'provider_refused', neverRan: true })
  })

  it('has a reason of at most 300 characters', () => {
    const many = Object.fromEntries(
      Array.from({ length: 50 }, (_, n) => [n, nodeErrors({ type: 'x', message: 'm'.repeat(99), details: '' })['12']]),
    )
    expect(String(submitError(response(400, { error, node_errors: many })).data.reason).length).toBeLessThanOrEqual(300)
  })
})
