import type { ImageFile } from '../../../src/core/ports/images.ts'
import type { ImageProvider, Task } from '../../../src/core/ports/providers.ts'
import type { Json } from '../../../src/db/json.ts'
import type { Fault, Faults } from '../../emulators/faults.ts'
import type { Received } from '../../emulators/server.ts'

/** Where a fault strikes. Synchronous providers have no poll, those that answer with bytes no download. */
export type Phase = 'submit' | 'poll' | 'result' | 'download'

export interface ProviderHarness {
  /** The provider's name; several harnesses of one provider add a word: 'dashscope async'. */
  name: string
  /** An emulator, and a provider that was set up as an operator would set it up. */
  open(options?: HarnessOptions): Promise<OpenProvider>
}

export interface HarnessOptions {
  /** A key that the emulator does not know. */
  wrongKey?: boolean
  /** Milliseconds the emulated work takes. Default: as little as possible. */
  workMs?: number
  /** Makes the bytes of each result picture; default: real pictures of the asked size. */
  picture?: () => Promise<Buffer>
}

export interface OpenProvider {
  provider: ImageProvider
  /** Another one with the same settings, as in another process. */
  again(): ImageProvider
  /** Where the provider is: for a second one beside it, or a setting. */
  baseUrl: string
  key: string | undefined
  /** A task as a model of this provider makes it. Words that the emulator knows: 'nsfw' is refused as the real one does. */
  task(prompt: string, options?: { images?: readonly ImageFile[]; count?: number; id?: string; input?: Json }): Task
  requests: Received[]
  faults: Faults
  /** Which requests belong to a phase; absent: there is no such phase. */
  phases: Partial<Record<Phase, NonNullable<Fault['match']>>>
  /** Submissions that the other side accepted, each of which a real one would have charged. */
  accepted(): number
  close(): Promise<void>
}
