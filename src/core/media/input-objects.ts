/** Where the pictures that a request starts from, and its mask, are kept in the store. */
import type { ImageFile } from '../ports/images.ts'
import { inputKey, maskKey } from './object-keys.ts'

export interface InputFiles {
  inputs: readonly ImageFile[]
  mask?: ImageFile
}

export interface InputObject {
  key: string
  role: 'input' | 'mask'
  position: number
  file: ImageFile
}

/** `id`: of the generation. */
export function inputObjects(signer: { secretKey: Buffer }, id: string, { inputs, mask }: InputFiles): InputObject[] {
  const pictures = inputs.map((file, position) => ({
    key: inputKey(signer, id, position, file.type),
    role: 'input' as const,
    position,
    file,
  }))
  return mask ? [...pictures, { key: maskKey(signer, id, mask.type), role: 'mask', position: 0, file: mask }] : pictures
}
