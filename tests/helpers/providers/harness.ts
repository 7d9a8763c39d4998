/** What the suites for all providers need from each provider. */
import type { ImageFile } from '../../../src/core/ports/images.ts'
import type { ImageProvider, ProviderContext, Task } from '../../../src/core/ports/providers.ts'
import type { Json } from '../../../src/db/json.ts'
import type { Fault, Faults } from '../../emulators/faults.ts'
import type { Received } from '../../emulators/server.ts'

/** Where a fault occurs. Synchronous providers have no poll; providers that return bytes have no download. */
export type Phase = 'submit' | 'poll' | 'result' | 'download'

/** What may happen to the calls of our webhook, on the side of the service. */
export type HookTrouble = 'lost' | 'twice' | 'forged' | 'early'

export interface ProviderHarness {
  /** The provider's name; several harnesses of one provider add a word: 'dashscope async'. */
  name: string
  /** Whether the provider asks the service to call our webhook: `open` then needs `webhookUrl`. */
  called?: boolean
  /** Starts an emulator and creates a provider for it. */
  open(options?: HarnessOptions): Promise<OpenProvider>
}

export interface HarnessOptions {
  /** Creates the provider with a key that the emulator refuses. */
  wrongKey?: boolean
  /** Milliseconds that the emulated work takes. Default: as few as possible. */
  workMs?: number
  /** Makes the bytes of each result picture. Default: real pictures of the requested size. */
  picture?: () => Promise<Buffer>
  /** As in a provider's context. */
  webhookUrl?: ProviderContext['webhookUrl']
}

export interface OpenProvider {
  provider: ImageProvider
  /** Another provider with the same settings, as in another process. */
  createAnother(): ImageProvider
  /** The configured address of the provider. */
  baseUrl: string
  key: string | undefined
  /** A task as a model of this provider maps it. As the real service does, the emulator refuses the prompt 'nsfw'. */
  task(prompt: string, options?: { images?: readonly ImageFile[]; count?: number; id?: string; input?: Json }): Task
  requests: Received[]
  faults: Faults
  /** The requests that belong to each phase. A missing phase does not exist at this provider. */
  phases: Partial<Record<Phase, NonNullable<Fault['match']>>>
  /** Lets something happen to all calls of the webhook. Absent: the service calls none. */
  hooks?: Partial<Record<HookTrouble, () => void>>
  /** Submissions that the emulator accepted, and that a real service would charge. */
  accepted(): number
  close(): Promise<void>
}
