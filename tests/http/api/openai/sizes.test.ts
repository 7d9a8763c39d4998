import { describe, expect, it } from 'vitest'
import type { Core } from '../../../../src/core/core.ts'
import { AppError } from '../../../../src/core/errors.ts'
import { takenWith } from '../../../../src/core/request/choose-model.ts'
import { aspectFor } from '../../../../src/http/api/openai/sizes.ts'
import { models } from '../../../../src/models/index.ts'

/** A core in which every provider is set up. */
const everywhere = { providers: { get: () => ({}) }, models: { all: () => models } } as unknown as Core

/** The aspect that a size becomes, or the kind of the error. */
function aspectOrError(id: string, images: number, size: string | undefined): string | undefined {
  const model = models.find((each) => each.id === id)!
  try {
    return aspectFor({ model, takes: takenWith(everywhere, model, { images }) }, size)
  } catch (error) {
    if (error instanceof AppError) return error.kind
    throw error
  }
}

describe('a size in pixels', () => {
  it.each([
    ['flux-pro', 0, '1536x1024', '3:2'],
    ['flux-pro', 0, ' 1536×1024 ', '3:2'],
    ['flux-pro', 2, '1024x1536', '2:3'],
    // the model draws 16:9 as 1392x752, which is not exactly 16:9
    ['flux-pro', 0, '1920x1080', '16:9'],
    ['flux-pro', 0, '1392x752', '16:9'],
    ['cf-flux-2-klein', 0, '2048x1024', 'unknown_ratio'],
    ['cf-flux-2-klein', 0, '1000x2000', '1:2'],
    ['cf-schnell', 0, '600x600', '1:1'],
  ])('that %s does not accept becomes its ratio: %i input images, %s → %s', (id, images, size, expected) => {
    expect(aspectOrError(id, images, size)).toBe(expected)
  })

  it.each([
    ['flux-pro', 0, '1792x1024', '16:9'],
    ['flux-pro', 1, '1792x1024', '16:9'],
    ['flux-pro', 0, '256x256', '1:1'],
    ['seedream', 0, '1024x1792', '9:16'],
    ['cf-schnell', 0, '1536x1024', '1:1'],
    ['flux-2', 0, '256x256', '1:1'],
    // keeps the shape of its input image
    ['flux-dev', 1, '1024x1024', undefined],
  ])('of OpenAI’s own becomes the nearest shape: %s with %i input images, %s → %s', (id, images, size, expected) => {
    expect(aspectOrError(id, images, size)).toBe(expected)
  })

  it.each([
    ['flux-dev', 0, '1536x1024', '1536x1024'],
    ['flux-dev', 0, '256x256', '256x256'],
    ['flux-dev', 0, '1024x576', '16:9'],
    ['flux-pro', 0, '16:9', '16:9'],
    ['flux-pro', 0, 'auto', undefined],
    ['flux-pro', 0, undefined, undefined],
    ['flux-pro', 0, '1000x999', 'unknown_ratio'],
    ['flux-pro', 0, '0x0', 'unknown_ratio'],
    ['flux-dev', 0, '4096x4096', 'unknown_ratio'],
    ['flux-dev', 1, '1000x999', '1000x999'],
  ])('is otherwise used as it is, or refused: %s with %i input images, %s → %s', (id, images, size, expected) => {
    expect(aspectOrError(id, images, size)).toBe(expected)
  })
})
