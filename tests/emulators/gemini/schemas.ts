/** The body of `generateContent` as image models take it, checked strictly: Google refuses unknown names. */
import { z } from 'zod'

const ratios = ['1:1', '2:3', '3:2', '3:4', '4:3', '4:5', '5:4', '9:16', '16:9', '21:9'] as const
/** Ratio → size at 1K. */
export const sizes: Readonly<Record<string, readonly [number, number]>> = {
  '1:1': [1024, 1024],
  '2:3': [848, 1264],
  '3:2': [1264, 848],
  '3:4': [896, 1200],
  '4:3': [1200, 896],
  '4:5': [928, 1152],
  '5:4': [1152, 928],
  '9:16': [768, 1376],
  '16:9': [1376, 768],
  '21:9': [1584, 672],
}

/** Model → the tiers of its sizes, and how many pictures it takes. Empty: it has one size and refuses a tier. */
export const models: Readonly<Record<string, { tiers: readonly string[]; images: number }>> = {
  'gemini-nano-banana-2.1': { tiers: ['1K', '2K', '4K'], images: 14 },
  'gemini-3-pro-image': { tiers: ['1K', '2K', '4K'], images: 14 },
  'gemini-2.5-flash-image': { tiers: [], images: 14 },
}

const part = z.union([
  z.strictObject({ text: z.string().min(1) }),
  z.strictObject({
    inlineData: z.strictObject({
      mimeType: z.enum(['image/png', 'image/jpeg', 'image/webp', 'image/heic', 'image/heif']),
      data: z.base64(),
    }),
  }),
])

export const requestShape = z.strictObject({
  contents: z.array(z.strictObject({ role: z.enum(['user', 'model']).optional(), parts: z.array(part).min(1) })).min(1),
  generationConfig: z
    .strictObject({
      responseModalities: z.array(z.enum(['TEXT', 'IMAGE'])).optional(),
      imageConfig: z
        .strictObject({
          aspectRatio: z.enum(ratios).optional(),
          imageSize: z.enum(['512', '1K', '2K', '4K']).optional(),
        })
        .optional(),
      seed: z.int32().optional(),
    })
    .optional(),
  safetySettings: z.array(z.strictObject({ category: z.string(), threshold: z.string() })).optional(),
})
export type GeminiBody = z.infer<typeof requestShape>
